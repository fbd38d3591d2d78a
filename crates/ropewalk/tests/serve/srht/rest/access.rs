//! Who may do what.

use super::super::farm::{Farm, MANIFEST};
use super::super::on_both_engines;
use super::{call, done, fields, missing, pending};
use crate::server::{Engine, answer};
use serde_json::{Value, json};

on_both_engines! {
    srht_68_rest_refusals_have_one_shape
    what_may_not_be_known_is_missing
}

/// All addresses, those that write last.
fn addresses(job: i64) -> Vec<(&'static str, String)> {
    vec![
        ("GET", "/api/jobs".into()),
        ("GET", format!("/api/jobs/{job}")),
        ("GET", format!("/api/jobs/{job}/artifacts")),
        ("GET", "/api/job-group/1".into()),
        ("POST", "/api/jobs".into()),
        ("POST", format!("/api/jobs/{job}/start")),
        ("POST", format!("/api/jobs/{job}/cancel")),
        ("POST", "/api/job-group".into()),
        ("POST", "/api/job-group/1/start".into()),
        ("POST", "/api/job-group/1/cancel".into()),
    ]
}

async fn srht_68_rest_refusals_have_one_shape(engine: Engine) {
    let farm = Farm::patient(engine).await;
    let id = pending(&farm).await;
    let reads = farm.token("alice", "JOBS:RO");
    let other = farm.token("alice", "PROFILE:RW LOGS:RW");
    let reason = |answer: &Value| {
        assert_eq!(fields(answer), [""], "{answer}");
        answer["errors"][0]["reason"].as_str().unwrap().to_string()
    };
    for (method, path) in addresses(id) {
        let what = format!("{method} {path}");
        let (status, refusal) = call(&farm, method, &path, None, None).await;
        assert_eq!(
            (status, reason(&refusal).as_str()),
            (401, "No authorization supplied (expected an OAuth token)"),
            "{what}"
        );
        let (none, bad) =
            ("No authorization supplied (expected an OAuth token)", "Invalid authorization supplied");
        for (header, words) in [
            ("Basic YTpi", none),
            ("Foo x", none),
            ("", none),
            ("token", bad),
            ("token a b", bad),
            ("Bearer", bad),
        ] {
            let request = farm.client.request(method, &path, None).header("authorization", header);
            let (status, refusal) = answer(request).await;
            assert_eq!((status, reason(&refusal).as_str()), (401, words), "{what} {header}");
        }
        let (status, refusal) = call(&farm, method, &path, Some(&"x".repeat(40)), None).await;
        assert_eq!((status, reason(&refusal).as_str()), (401, "Invalid or expired OAuth token"), "{what}");
        let (status, refusal) = call(&farm, method, &path, Some(&other), None).await;
        assert_eq!(status, 403, "{what}");
        let scope = if method == "GET" { "jobs:read" } else { "jobs:write" };
        let words = format!("Your OAuth token is not permitted to use this endpoint (needs {scope})");
        assert_eq!(reason(&refusal), words, "{what}");
        if method == "POST" {
            let (status, refusal) = call(&farm, method, &path, Some(&reads), None).await;
            assert_eq!((status, reason(&refusal)), (403, words), "{what}");
        }
    }
    assert_eq!(call(&farm, "GET", &format!("/api/jobs/{id}"), Some(&reads), None).await.0, 200);
    assert_eq!(farm.job(id, "status").await["status"], "PENDING", "nothing was done");

    for tags in [json!(["a b"]), json!([""]), json!(["a/b"]), json!(["ä"]), json!([5]), json!("a")] {
        let body = json!({ "manifest": MANIFEST, "tags": tags });
        let (status, refusal) = call(&farm, "POST", "/api/jobs", Some(&farm.alice), Some(body)).await;
        assert_eq!((status, fields(&refusal)), (400, vec!["tags"]), "{tags}");
    }
    for (body, wrong) in [
        (json!({}), vec!["manifest"]),
        (json!({ "manifest": "" }), vec!["manifest"]),
        (json!({ "manifest": null }), vec!["manifest"]),
        (json!({ "manifest": ["image: host"] }), vec!["manifest"]),
        (json!({ "manifest": "image: host" }), vec!["manifest"]),
        (json!({ "note": 1, "execute": 1, "secrets": "no" }), vec!["manifest", "note", "secrets", "execute"]),
        (json!({ "manifest": MANIFEST, "note": "x".repeat(5000) }), vec!["note"]),
    ] {
        let (status, refusal) = call(&farm, "POST", "/api/jobs", Some(&farm.alice), Some(body.clone())).await;
        assert_eq!((status, fields(&refusal)), (400, wrong), "{body}");
    }
    for path in [
        "/api/jobs/999999",
        "/api/jobs/x",
        "/api/jobs/-1",
        "/api/jobs/1/nothing",
        "/api/jobs/",
        "/api/job-group/",
    ] {
        assert_eq!(call(&farm, "GET", path, Some(&farm.alice), None).await, missing(), "{path}");
    }
    assert_eq!(done(&farm, "GET", "/api/jobs", None).await["total"], 1, "nothing was made");
}

async fn what_may_not_be_known_is_missing(engine: Engine) {
    let farm = Farm::patient(engine).await;
    let submit = async |visibility: &str| {
        farm.submit(MANIFEST, &format!(", execute: false, visibility: {visibility}")).await
    };
    let (public, unlisted, private) =
        (submit("PUBLIC").await, submit("UNLISTED").await, submit("PRIVATE").await);
    for part in ["", "/artifacts", "/manifest", "/log", "/tasks/a/log"] {
        let path = format!("/api/jobs/{private}{part}");
        assert_eq!(call(&farm, "GET", &path, Some(&farm.bob), None).await, missing(), "{path}");
    }
    for part in ["/manifest", "/log", "/tasks/a/log"] {
        let path = format!("/api/jobs/{private}{part}");
        assert_eq!(call(&farm, "GET", &path, None, None).await, missing(), "{path}");
    }
    assert_eq!(farm.get(&format!("/api/jobs/{private}/manifest"), Some(&farm.alice), None).await.0, 200);
    for part in ["/start", "/cancel"] {
        for id in [public, unlisted, private, 999_999] {
            let path = format!("/api/jobs/{id}{part}");
            assert_eq!(call(&farm, "POST", &path, Some(&farm.bob), None).await, missing(), "{path}");
        }
    }
    for id in [public, unlisted] {
        assert_eq!(call(&farm, "GET", &format!("/api/jobs/{id}"), Some(&farm.bob), None).await.0, 200);
        assert_eq!(farm.get(&format!("/api/jobs/{id}/manifest"), None, None).await.0, 200);
        // No log before a runner has taken the job.
        assert_eq!(call(&farm, "GET", &format!("/api/jobs/{id}/log"), None, None).await, missing());
    }
    // Lists hold own jobs only, whatever others let be seen.
    let (_, list) = call(&farm, "GET", "/api/jobs", Some(&farm.bob), None).await;
    assert_eq!((&list["results"], &list["total"]), (&json!([]), &0.into()));
}

#[tokio::test]
async fn secrets_need_a_grant_of_their_own() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let token = farm.token("alice", "JOBS:RW");
    let submit = async |body: Value| call(&farm, "POST", "/api/jobs", Some(&token), Some(body)).await;
    let (status, refusal) = submit(json!({ "manifest": MANIFEST, "secrets": true })).await;
    assert_eq!((status, fields(&refusal).len()), (400, 1), "{refusal}");
    assert!(refusal["errors"][0]["reason"].as_str().unwrap().contains("SECRETS"), "{refusal}");
    // By default a job gets what its token may give.
    assert_eq!(submit(json!({ "manifest": MANIFEST })).await.0, 200);
    let manifest = format!("oauth: builds.sr.ht/PROFILE:RO\n{MANIFEST}");
    assert_eq!(submit(json!({ "manifest": manifest })).await.0, 200);
    let full = json!({ "manifest": manifest, "secrets": true });
    assert_eq!(
        call(&farm, "POST", "/api/jobs", Some(&farm.token("alice", "JOBS:RW SECRETS:RO")), Some(full))
            .await
            .0,
        400
    );
}
