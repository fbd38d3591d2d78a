//! Jobs: submitted, listed, changed, started, cancelled. No runner is needed for most of it.

use super::farm::{Farm, MANIFEST};
use super::on_both_engines;
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    srht_01_submit_is_unlisted_without_tags_and_note
    srht_02_submit_with_tags_note_visibility_and_no_secrets
    srht_11_bad_manifests_make_no_job
    srht_12_a_manifest_is_shorter_than_16384_bytes
    srht_13_a_shell_needs_no_tasks
    srht_18_an_unknown_job_is_null
    srht_19_a_list_shows_the_25_newest_first
    srht_20_lists_go_on_by_cursor_without_gaps
    srht_21_others_list_public_jobs_only
    srht_22_an_unknown_user_is_null
    srht_28_update_changes_one_and_keeps_the_other
    srht_29_update_of_a_foreign_or_unknown_job_is_an_error
    srht_30_a_job_holds_what_its_resubmission_needs
    srht_35_a_queued_job_has_no_runner
    srht_52_visibility_of_jobs_and_logs_to_others
    srht_55_a_pending_job_is_started_once
}

/// As hut sends it: all variables, tags with one empty text.
const SUBMIT: &str = "mutation submit ($manifest: String!, $tags: [String!], $note: String, $visibility: Visibility, $secrets: Boolean!) {
    submit(manifest: $manifest, tags: $tags, note: $note, visibility: $visibility, secrets: $secrets) { id owner { canonicalName } } }";

async fn srht_01_submit_is_unlisted_without_tags_and_note(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let variables =
        json!({ "manifest": MANIFEST, "note": "", "secrets": true, "tags": [""], "visibility": "UNLISTED" });
    let data = farm.ask(&farm.alice, SUBMIT, variables).await;
    assert_eq!(data["submit"]["owner"]["canonicalName"], "~alice");
    let id = data["submit"]["id"].as_i64().unwrap();
    let job =
        farm.job(id, "visibility tags note manifest image status runner group { id } log { fullURL }").await;
    assert_eq!(
        job,
        json!({ "visibility": "UNLISTED", "tags": [], "note": null, "manifest": MANIFEST, "image": "host",
            "status": "QUEUED", "runner": null, "group": null, "log": null })
    );
}

async fn srht_02_submit_with_tags_note_visibility_and_no_secrets(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let variables = json!({ "manifest": MANIFEST, "note": "N", "secrets": false, "tags": ["a", "b"],
        "visibility": "PRIVATE" });
    let id = farm.ask(&farm.alice, SUBMIT, variables).await["submit"]["id"].as_i64().unwrap();
    let job = farm.job(id, "tags note visibility secrets { uuid }").await;
    assert_eq!(job, json!({ "tags": ["a", "b"], "note": "N", "visibility": "PRIVATE", "secrets": null }));
    // With secrets enabled and none named there are none.
    let id = farm.submit(MANIFEST, ", secrets: true").await;
    assert_eq!(farm.job(id, "secrets { uuid }").await["secrets"], json!([]));
    let of_bob = json!({ "id": id });
    let seen = farm.ask(&farm.bob, "query($id: Int!) { job(id: $id) { secrets { uuid } } }", of_bob).await;
    assert_eq!(seen["job"]["secrets"], Value::Null);
}

async fn srht_11_bad_manifests_make_no_job(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let long = "x".repeat(129);
    let manifests = [
        "{".to_string(),
        "tasks:\n  - a: x\n".into(),
        "image: host\n".into(),
        "image: host\ntasks: []\n".into(),
        "image: host\ntasks:\n  - a: x\n  - a: y\n".into(),
        "image: host\ntasks:\n  - Foo: x\n".into(),
        format!("image: host\ntasks:\n  - {long}: x\n"),
        "image: host\ntasks:\n  - a: x\n    b: y\n".into(),
        "image: host\nenvironment: {a: {b: c}}\ntasks:\n  - a: x\n".into(),
        String::new(),
    ];
    for manifest in manifests {
        let errors = farm
            .refused(
                &farm.alice,
                "mutation($m: String!) { submit(manifest: $m) { id } }",
                json!({ "m": manifest }),
            )
            .await;
        assert_eq!(
            (errors.len(), &errors[0]["extensions"]["field"]),
            (1, &"manifest".into()),
            "{manifest:?}"
        );
        assert_eq!(errors[0]["path"], json!(["submit"]), "{manifest:?}");
    }
    let data = farm.ask(&farm.alice, "{ jobs { results { id } cursor } }", json!({})).await;
    assert_eq!(data["jobs"], json!({ "results": [], "cursor": null }));
}

async fn srht_12_a_manifest_is_shorter_than_16384_bytes(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let padded = |length: usize| format!("{MANIFEST}#{}", "x".repeat(length - MANIFEST.len() - 1));
    farm.submit(&padded(16383), "").await;
    let query = "mutation($m: String!) { submit(manifest: $m) { id } }";
    let errors = farm.refused(&farm.alice, query, json!({ "m": padded(16384) })).await;
    assert_eq!(errors[0]["extensions"]["field"], "manifest");
}

async fn srht_13_a_shell_needs_no_tasks(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let id = farm.submit("image: host\nshell: true\n", "").await;
    assert_eq!(farm.job(id, "tasks { id }").await["tasks"], json!([]));
}

async fn srht_20_lists_go_on_by_cursor_without_gaps(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let mut made = vec![];
    for _ in 0..30 {
        made.push(farm.submit(MANIFEST, "").await);
    }
    farm.submit_as(&farm.bob, MANIFEST, ", visibility: PUBLIC").await;
    made.reverse();
    let query = "query jobs ($cursor: Cursor) { jobs(cursor: $cursor) { ...jobs } }
        fragment jobs on JobCursor { results { id status note tags tasks { name status } } cursor }";
    let first = farm.ask(&farm.alice, query, json!({ "cursor": null })).await;
    let ids = |data: &Value| -> Vec<i64> {
        data["jobs"]["results"].as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids(&first), made[..25], "25 newest, newest first");
    let second = farm.ask(&farm.alice, query, json!({ "cursor": first["jobs"]["cursor"] })).await;
    assert_eq!((ids(&second), &second["jobs"]["cursor"]), (made[25..].to_vec(), &Value::Null));
    for garbage in ["", "x", "MTo=", "1", "\u{0}"] {
        let errors = farm.refused(&farm.alice, query, json!({ "cursor": garbage })).await;
        assert!(errors[0]["message"].as_str().unwrap().starts_with("Invalid cursor"), "{errors:?}");
    }
}

async fn srht_19_a_list_shows_the_25_newest_first(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let mut made = vec![];
    for _ in 0..30 {
        made.push(json!({ "id": farm.submit(MANIFEST, "").await }));
    }
    made.reverse();
    let data = farm.ask(&farm.alice, "{ jobs { results { id } } }", Value::Null).await;
    assert_eq!(data["jobs"]["results"], json!(made[..25]));
}

async fn srht_21_others_list_public_jobs_only(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let public = farm.submit_as(&farm.bob, MANIFEST, ", visibility: PUBLIC").await;
    farm.submit_as(&farm.bob, MANIFEST, ", visibility: UNLISTED").await;
    farm.submit_as(&farm.bob, MANIFEST, ", visibility: PRIVATE").await;
    let query = "query jobsByUser ($username: String!, $cursor: Cursor) {
        userByName(username: $username) { jobs(cursor: $cursor) { results { id } cursor } } }";
    let variables = json!({ "username": "bob", "cursor": null });
    let expected = json!({ "userByName": { "jobs": { "results": [{ "id": public }], "cursor": null } } });
    assert_eq!(farm.ask(&farm.alice, query, variables.clone()).await, expected);
    // An administrator's lists are no longer than others'.
    assert_eq!(farm.ask(&farm.server.token(), query, variables.clone()).await, expected);
    let own = farm.ask(&farm.bob, query, variables).await;
    assert_eq!(own["userByName"]["jobs"]["results"].as_array().unwrap().len(), 3);
}

async fn srht_22_an_unknown_user_is_null(engine: Engine) {
    let farm = Farm::idle(engine).await;
    for name in ["nobody", "~alice", "", "a b", "\u{0}", &"x".repeat(1000)] {
        let query = "query($n: String!) { userByName(username: $n) { id } }";
        assert_eq!(
            farm.ask(&farm.alice, query, json!({ "n": name })).await["userByName"],
            Value::Null,
            "{name}"
        );
    }
    let data =
        farm.ask(&farm.alice, "{ a: userByID(id: 0) { id } b: userByID(id: -1) { id } }", json!({})).await;
    assert_eq!(data, json!({ "a": null, "b": null }));
}

async fn srht_18_an_unknown_job_is_null(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let query = "{ a: job(id: 999999) { id } b: job(id: -1) { id } c: job(id: 0) { id } }";
    assert_eq!(farm.ask(&farm.alice, query, json!({})).await, json!({ "a": null, "b": null, "c": null }));
}

async fn srht_28_update_changes_one_and_keeps_the_other(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let id = farm.submit(MANIFEST, ", tags: [\"a\", \"b\"]").await;
    let update = "mutation update ($jobId: Int!, $visibility: Visibility!, $tags: [String!]) {
        update(jobId: $jobId, visibility: $visibility, tags: $tags) { id visibility tags } }";
    let public = json!({ "jobId": id, "visibility": "PUBLIC", "tags": ["a", "b"] });
    let data = farm.ask(&farm.alice, update, public).await;
    assert_eq!(data["update"], json!({ "id": id, "visibility": "PUBLIC", "tags": ["a", "b"] }));
    let tags = json!({ "jobId": id, "visibility": "PUBLIC", "tags": ["x", "y"] });
    assert_eq!(farm.ask(&farm.alice, update, tags).await["update"]["tags"], json!(["x", "y"]));
    let kept = json!({ "jobId": id, "visibility": "PRIVATE" });
    let data = farm.ask(&farm.alice, update, kept).await;
    assert_eq!(data["update"], json!({ "id": id, "visibility": "PRIVATE", "tags": ["x", "y"] }));
    let cleared = json!({ "jobId": id, "visibility": "PRIVATE", "tags": [] });
    assert_eq!(farm.ask(&farm.alice, update, cleared).await["update"]["tags"], json!([]));
}

async fn srht_29_update_of_a_foreign_or_unknown_job_is_an_error(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let public = farm.submit_as(&farm.bob, MANIFEST, ", visibility: PUBLIC").await;
    let private = farm.submit_as(&farm.bob, MANIFEST, ", visibility: PRIVATE").await;
    let query = "mutation($id: Int!) { update(jobId: $id, visibility: PUBLIC) { id } }";
    for id in [public, private, 999_999] {
        let errors = farm.refused(&farm.alice, query, json!({ "id": id })).await;
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
    let (_, body) = farm.post(&farm.alice, query, json!({ "id": private })).await;
    let (_, other) = farm.post(&farm.alice, query, json!({ "id": private + 1000 })).await;
    let blank = |body: Value| body.to_string().replace(char::is_numeric, "");
    assert_eq!(blank(body), blank(other), "a private job is told from none");
}

async fn srht_30_a_job_holds_what_its_resubmission_needs(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let manifest = "# a comment that stays\nimage: host\ntasks:\n  - a: echo ä\n";
    let id = farm.submit(manifest, ", tags: [\"a/b\"], visibility: PUBLIC").await;
    let job = farm.job(id, "manifest tags owner { canonicalName } visibility").await;
    assert_eq!(
        job,
        json!({ "manifest": manifest, "tags": ["a", "b"], "owner": { "canonicalName": "~alice" },
            "visibility": "PUBLIC" })
    );
}

async fn srht_35_a_queued_job_has_no_runner(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let id = farm.submit(MANIFEST, "").await;
    let query =
        "query getSSHInfo ($id: Int!) { job(id: $id) { id runner } version { settings { sshUser } } }";
    let data = farm.ask(&farm.alice, query, json!({ "id": id })).await;
    let expected =
        json!({ "job": { "id": id, "runner": null }, "version": { "settings": { "sshUser": "builds" } } });
    assert_eq!(data, expected);
}

async fn srht_52_visibility_of_jobs_and_logs_to_others(engine: Engine) {
    let farm = Farm::busy(engine).await;
    for (visibility, known) in [("PUBLIC", true), ("UNLISTED", true), ("PRIVATE", false)] {
        let id = farm.submit(MANIFEST, &format!(", visibility: {visibility}")).await;
        farm.wait(id, "SUCCESS").await;
        let query = "query($id: Int!) { job(id: $id) { id manifest owner { canonicalName } } }";
        let seen = farm.ask(&farm.bob, query, json!({ "id": id })).await;
        assert_eq!(seen["job"].is_object(), known, "{visibility}");
        for log in ["log", "a/log"] {
            let address = format!("/query/log/{id}/{log}");
            let (status, ..) = farm.get(&address, Some(&farm.bob), Some("bytes=0-")).await;
            assert_eq!(status, if known { 206 } else { 404 }, "{visibility} {log}");
            assert_eq!(farm.get(&address, Some(&farm.alice), Some("bytes=0-")).await.0, 206);
        }
    }
}

async fn srht_55_a_pending_job_is_started_once(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let id = farm.submit(MANIFEST, ", execute: false").await;
    assert_eq!(farm.job(id, "status").await["status"], "PENDING");
    let start = "mutation($id: Int!) { start(jobID: $id) { id status } }";
    farm.refused(&farm.bob, start, json!({ "id": id })).await;
    let data = farm.ask(&farm.alice, start, json!({ "id": id })).await;
    assert_eq!(data["start"], json!({ "id": id, "status": "QUEUED" }));
    assert_eq!(farm.refused(&farm.alice, start, json!({ "id": id })).await.len(), 1);
}

#[tokio::test]
async fn queued_and_pending_jobs_can_be_cancelled() {
    let farm = Farm::idle(Engine::Sqlite).await;
    for arguments in ["", ", execute: false"] {
        let id = farm.submit(MANIFEST, arguments).await;
        let cancel = "mutation cancel ($jobId: Int!) { cancel(jobId: $jobId) { id status } }";
        farm.refused(&farm.bob, cancel, json!({ "jobId": id })).await;
        let data = farm.ask(&farm.alice, cancel, json!({ "jobId": id })).await;
        assert_eq!(data["cancel"], json!({ "id": id, "status": "CANCELLED" }));
    }
}
