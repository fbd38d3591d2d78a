//! Groups of jobs.

use super::farm::{Farm, MANIFEST};
use super::on_both_engines;
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    srht_53_groups_are_made_and_started_whole
    srht_53_a_running_job_fits_no_group
}

const CREATE: &str = "mutation($ids: [Int!]!, $execute: Boolean) {
    createGroup(jobIds: $ids, execute: $execute, note: \"together\") { id created note owner { canonicalName }
        jobs { id status group { id } } triggers { condition } } }";

fn job_statuses(group: &Value) -> Vec<&str> {
    group["jobs"].as_array().unwrap().iter().map(|job| job["status"].as_str().unwrap()).collect()
}

async fn srht_53_groups_are_made_and_started_whole(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let pending = async || farm.submit(MANIFEST, ", execute: false").await;
    let (one, two) = (pending().await, pending().await);
    let group =
        farm.ask(&farm.alice, CREATE, json!({ "ids": [one, two], "execute": null })).await["createGroup"]
            .clone();
    assert_eq!(job_statuses(&group), ["QUEUED", "QUEUED"]);
    assert_eq!((&group["note"], &group["owner"]["canonicalName"]), (&"together".into(), &"~alice".into()));
    assert_eq!(group["jobs"][1]["group"]["id"], group["id"]);

    let (three, four) = (pending().await, pending().await);
    let held =
        farm.ask(&farm.alice, CREATE, json!({ "ids": [three, four], "execute": false })).await["createGroup"]
            .clone();
    assert_eq!(job_statuses(&held), ["PENDING", "PENDING"]);
    let start = "mutation($id: Int!) { startGroup(groupId: $id) { id jobs { status } } }";
    for (token, id) in [(&farm.bob, held["id"].clone()), (&farm.alice, json!(999_999))] {
        farm.refused(token, start, json!({ "id": id })).await;
    }
    assert_eq!(farm.job(three, "status").await["status"], "PENDING");
    let started = farm.ask(&farm.alice, start, json!({ "id": held["id"] })).await["startGroup"].clone();
    assert_eq!(job_statuses(&started), ["QUEUED", "QUEUED"]);

    // One that does not fit, and nothing is changed.
    let (five, foreign) = (pending().await, farm.submit_as(&farm.bob, MANIFEST, ", execute: false").await);
    for unfit in [one, three, foreign, 999_999] {
        let errors = farm.refused(&farm.alice, CREATE, json!({ "ids": [five, unfit] })).await;
        assert_eq!(errors.len(), 1, "{errors:?}");
        let job = farm.job(five, "status group { id }").await;
        assert_eq!(job, json!({ "status": "PENDING", "group": null }));
    }
    farm.refused(&farm.alice, CREATE, json!({ "ids": [] })).await;
}

async fn srht_53_a_running_job_fits_no_group(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let running = farm.submit("image: host\ntasks:\n  - a: sleep 600\n", "").await;
    farm.wait(running, "RUNNING").await;
    let pending = farm.submit(MANIFEST, ", execute: false").await;
    let foreign = farm.submit_as(&farm.bob, MANIFEST, ", execute: false").await;
    for ids in [[pending, running], [running, pending], [pending, foreign]] {
        let (_, body) = farm.post(&farm.alice, CREATE, json!({ "ids": ids })).await;
        assert_eq!((&body["data"], body["errors"].as_array().unwrap().len()), (&Value::Null, 1), "{body}");
        for (id, status) in [(pending, "PENDING"), (running, "RUNNING"), (foreign, "PENDING")] {
            let job = farm.job(id, "status group { id }").await;
            assert_eq!(job, json!({ "status": status, "group": null }), "{ids:?}");
        }
    }
    farm.ask(&farm.alice, "mutation($id: Int!) { cancel(jobId: $id) { id } }", json!({ "id": running }))
        .await;
    farm.wait(running, "CANCELLED").await;
}

#[tokio::test]
async fn others_see_public_members_of_a_group_only() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let public = farm.submit(MANIFEST, ", execute: false, visibility: PUBLIC").await;
    let private = farm.submit(MANIFEST, ", execute: false, visibility: PRIVATE").await;
    farm.ask(&farm.alice, CREATE, json!({ "ids": [public, private] })).await;
    let query = "query($id: Int!) { job(id: $id) { group { jobs { id } } } }";
    let seen = farm.ask(&farm.bob, query, json!({ "id": public })).await;
    assert_eq!(seen["job"]["group"]["jobs"], json!([{ "id": public }]));
}
