//! Groups of jobs.

use super::super::farm::{Farm, MANIFEST};
use super::super::on_both_engines;
use super::{call, done, fields, pending};
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    srht_69_rest_groups_are_made_shown_started_and_cancelled
}

fn no_group() -> (u16, Value) {
    (404, json!({}))
}

async fn srht_69_rest_groups_are_made_shown_started_and_cancelled(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let (one, two) = (pending(&farm).await, pending(&farm).await);
    let made =
        done(&farm, "POST", "/api/job-group", Some(json!({ "jobs": [one, two], "note": "together" }))).await;
    let group = |status: &str| {
        json!({
            "id": made["id"], "note": "together", "owner": { "canonical_name": "~alice", "name": "alice" },
            "jobs": [{ "id": one, "status": status }, { "id": two, "status": status }],
        })
    };
    // Unlike by GraphQL, they wait until they are started.
    assert_eq!(made, group("pending"));
    let at = |part: &str| format!("/api/job-group/{}{part}", made["id"]);
    assert_eq!(done(&farm, "GET", &at(""), None).await, group("pending"));

    for (method, part) in [("GET", ""), ("POST", "/start"), ("POST", "/cancel")] {
        assert_eq!(
            call(&farm, method, &at(part), Some(&farm.bob), None).await,
            no_group(),
            "{method} {part}"
        );
        let nowhere = format!("/api/job-group/999999{part}");
        assert_eq!(
            call(&farm, method, &nowhere, Some(&farm.alice), None).await,
            no_group(),
            "{method} {part}"
        );
    }
    assert_eq!(done(&farm, "POST", &at("/start"), None).await, group("queued"));
    // What is under way stays as it is.
    assert_eq!(done(&farm, "POST", &at("/start"), None).await, group("queued"));
    done(&farm, "POST", &format!("/api/jobs/{one}/cancel"), None).await;
    assert_eq!(done(&farm, "POST", &at("/cancel"), None).await, group("cancelled"));
    assert_eq!(done(&farm, "POST", &at("/cancel"), None).await, group("cancelled"));

    let three = pending(&farm).await;
    let body = json!({ "jobs": [three], "execute": true, "triggers": [] });
    let started = done(&farm, "POST", "/api/job-group", Some(body)).await;
    assert_eq!((&started["note"], &started["jobs"][0]["status"]), (&Value::Null, &"queued".into()));

    // One that does not fit, and nothing is changed.
    let (four, foreign) =
        (pending(&farm).await, farm.submit_as(&farm.bob, MANIFEST, ", execute: false").await);
    for unfit in [one, three, foreign, 999_999] {
        let body = json!({ "jobs": [four, unfit] });
        let (status, refusal) = call(&farm, "POST", "/api/job-group", Some(&farm.alice), Some(body)).await;
        assert_eq!((status, fields(&refusal).len()), (400, 1), "{unfit}: {refusal}");
        assert_eq!(
            farm.job(four, "status group { id }").await,
            json!({ "status": "PENDING", "group": null })
        );
    }
}

#[tokio::test]
async fn triggers_of_a_group_are_refused_and_no_group_is_made() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let id = pending(&farm).await;
    for trigger in [
        json!({ "action": "email", "condition": "always", "to": "a@example.org" }),
        json!({ "action": "webhook", "condition": "failure", "url": "https://example.org/h" }),
    ] {
        let body = json!({ "jobs": [id], "triggers": [trigger] });
        let (status, refusal) = call(&farm, "POST", "/api/job-group", Some(&farm.alice), Some(body)).await;
        assert_eq!((status, fields(&refusal)), (400, vec!["triggers"]));
        assert!(
            refusal["errors"][0]["reason"].as_str().unwrap().contains("not be used on this server yet"),
            "{refusal}"
        );
    }
    assert_eq!(farm.job(id, "group { id }").await, json!({ "group": null }));
}

#[tokio::test]
async fn a_group_that_makes_no_sense_is_refused_by_field() {
    let farm = Farm::idle(Engine::Sqlite).await;
    for (body, wrong) in [
        (json!({}), vec!["jobs"]),
        (json!({ "jobs": [] }), vec!["jobs"]),
        (json!({ "jobs": null }), vec!["jobs"]),
        (json!({ "jobs": 1 }), vec!["jobs"]),
        (json!({ "jobs": ["1"] }), vec!["jobs"]),
        (json!({ "jobs": [1.5] }), vec!["jobs"]),
        (json!({ "jobs": [true] }), vec!["jobs"]),
        (json!({ "jobs": [1e40] }), vec!["jobs"]),
        (
            json!({ "jobs": [1], "note": 5, "execute": "yes", "triggers": {} }),
            vec!["note", "execute", "triggers"],
        ),
        (json!({ "jobs": vec![1; 2000] }), vec!["jobs"]),
    ] {
        let (status, refusal) =
            call(&farm, "POST", "/api/job-group", Some(&farm.alice), Some(body.clone())).await;
        assert_eq!((status, fields(&refusal)), (400, wrong), "{body}");
    }
}
