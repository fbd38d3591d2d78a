//! Jobs: submitted, listed, shown, started, cancelled.

use super::super::farm::{Farm, MANIFEST};
use super::super::on_both_engines;
use super::{call, done, fields, missing, pending};
use crate::server::{Engine, answer};
use serde_json::{Value, json};

on_both_engines! {
    srht_12_rest_takes_a_manifest_of_less_than_16384_characters
    srht_65_rest_submit_shows_the_job
    srht_66_rest_lists_fifty_jobs_at_a_time
    srht_67_rest_job_artifacts_manifest_start_cancel
    both_interfaces_say_the_same_about_a_job
}

async fn srht_12_rest_takes_a_manifest_of_less_than_16384_characters(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let padded = |length: usize| format!("{MANIFEST}#{}", "x".repeat(length - MANIFEST.len() - 1));
    let submit = async |length: usize| {
        let body = json!({ "manifest": padded(length) });
        call(&farm, "POST", "/api/jobs", Some(&farm.alice), Some(body)).await
    };
    let (status, job) = submit(16383).await;
    assert_eq!((status, &job["status"]), (200, &"queued".into()), "{job}");
    let (status, refusal) = submit(16384).await;
    assert_eq!((status, fields(&refusal)), (400, vec!["manifest"]), "{refusal}");
    assert_eq!(done(&farm, "GET", "/api/jobs", None).await["total"], 1);
}

async fn srht_65_rest_submit_shows_the_job(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let body = json!({ "manifest": MANIFEST, "tags": ["a", "b"], "note": "*N*" });
    let job = done(&farm, "POST", "/api/jobs", Some(body)).await;
    let expected = json!({
        "id": 1, "status": "queued", "setup_log": null,
        "tasks": [{ "name": "a", "status": "pending", "log": null }],
        "note": "*N*", "runner": null, "tags": "a/b",
        "owner": { "canonical_name": "~alice", "name": "alice" },
    });
    assert_eq!(job, expected);
    assert_eq!(done(&farm, "GET", "/api/jobs/1", None).await, expected);
    assert_eq!(farm.job(1, "visibility tags").await, json!({ "visibility": "UNLISTED", "tags": ["a", "b"] }));
    // What is optional may be null, what is unknown is nobody's business.
    let body = json!({ "manifest": MANIFEST, "tags": null, "note": null, "execute": null, "secrets": null, "access:read": [] });
    let job = done(&farm, "POST", "/api/jobs", Some(body)).await;
    assert_eq!((&job["tags"], &job["note"], &job["status"]), (&Value::Null, &Value::Null, &"queued".into()));
    let body = json!({ "manifest": MANIFEST, "execute": false, "secrets": false });
    assert_eq!(done(&farm, "POST", "/api/jobs", Some(body)).await["status"], "pending");
}

async fn srht_66_rest_lists_fifty_jobs_at_a_time(engine: Engine) {
    let farm = Farm::idle(engine).await;
    assert_eq!(
        done(&farm, "GET", "/api/jobs", None).await,
        json!({ "next": null, "results": [], "total": 0, "results_per_page": 50 })
    );
    let mut made = vec![];
    for number in 0..60 {
        made.push(farm.submit(MANIFEST, "").await);
        if number % 9 == 0 {
            farm.submit_as(&farm.bob, MANIFEST, ", visibility: PUBLIC").await;
        }
    }
    made.reverse();
    let ids = |list: &Value| -> Vec<i64> {
        list["results"].as_array().unwrap().iter().map(|job| job["id"].as_i64().unwrap()).collect()
    };
    let first = done(&farm, "GET", "/api/jobs", None).await;
    assert_eq!(ids(&first), made[..50]);
    assert_eq!((&first["total"], &first["results_per_page"]), (&60.into(), &50.into()));
    let next = first["next"].as_str().unwrap();
    let second = done(&farm, "GET", &format!("/api/jobs?start={next}"), None).await;
    assert_eq!(ids(&second), made[50..]);
    assert_eq!((&second["next"], &second["total"]), (&Value::Null, &60.into()));
    assert_eq!(second["results"][0], done(&farm, "GET", &format!("/api/jobs/{}", made[50]), None).await);
    // Exactly fifty are left from here on: there is no next part.
    let rest = done(&farm, "GET", &format!("/api/jobs?start={}", made[10]), None).await;
    assert_eq!((ids(&rest).len(), &rest["next"]), (50, &Value::Null));
    for query in ["start=", "start=x", "start=1e9", "start=99999999999999999999"] {
        let (status, refusal) =
            call(&farm, "GET", &format!("/api/jobs?{query}"), Some(&farm.alice), None).await;
        assert_eq!((status, fields(&refusal)), (400, vec!["start"]), "{query}");
    }
    let none = done(&farm, "GET", "/api/jobs?start=-9223372036854775808", None).await;
    assert_eq!((ids(&none), &none["next"]), (vec![], &Value::Null));
    let all = done(&farm, "GET", "/api/jobs?start=9223372036854775807", None).await;
    assert_eq!(ids(&all), made[..50]);
}

const PUBLISHES: &str = "# ä comment\r\nimage: host\nartifacts: [out/x.bin, b.txt]\ntasks:\n  - make: |\n      mkdir out\n      printf '\\000\\377' > out/x.bin\n      echo hi > b.txt\n";

async fn srht_67_rest_job_artifacts_manifest_start_cancel(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let body = json!({ "manifest": PUBLISHES, "execute": false });
    let id = done(&farm, "POST", "/api/jobs", Some(body)).await["id"].as_i64().unwrap();
    let at = |part: &str| format!("/api/jobs/{id}{part}");

    // Byte for byte, with and without a token.
    for token in [None, Some(farm.bob.as_str())] {
        let response = farm.client.request("GET", &at("/manifest"), token).send().await.unwrap();
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
        assert_eq!(response.bytes().await.unwrap(), PUBLISHES.as_bytes());
    }
    let start = async || call(&farm, "POST", &at("/start"), Some(&farm.alice), None).await;
    assert_eq!(start().await, (200, json!({})));
    let (status, refusal) = start().await;
    assert_eq!((status, fields(&refusal)), (400, vec![""]));
    assert!(
        refusal["errors"][0]["reason"].as_str().unwrap().starts_with("This job is already "),
        "{refusal}"
    );

    farm.wait(id, "SUCCESS").await;
    let (_, refusal) = start().await;
    assert_eq!(refusal, json!({ "errors": [{ "reason": "This job is already complete" }] }));
    let job = done(&farm, "GET", &at(""), None).await;
    let origin = &farm.server.origin;
    assert_eq!(
        (&job["status"], &job["setup_log"], &job["tasks"]),
        (
            &"success".into(),
            &format!("{origin}/api/jobs/{id}/log").into(),
            &json!([{ "name": "make", "status": "success", "log": format!("{origin}/api/jobs/{id}/tasks/make/log") }])
        )
    );
    assert!(!job["runner"].as_str().unwrap().is_empty());

    let list = done(&farm, "GET", &at("/artifacts"), None).await;
    assert_eq!(
        (&list["next"], &list["total"], &list["results_per_page"]),
        (&Value::Null, &2.into(), &50.into())
    );
    let files = list["results"].as_array().unwrap();
    assert!(files[0]["id"].as_i64() > files[1]["id"].as_i64(), "the newest first");
    let file = files.iter().find(|file| file["name"] == "x.bin").unwrap();
    assert_eq!((&file["path"], &file["size"]), (&"out/x.bin".into(), &2.into()));
    let created = file["created"].as_str().unwrap();
    assert!(created.len() == 25 && created.ends_with("+00:00"), "{created}");
    let url = file["url"].as_str().unwrap().strip_prefix(origin.as_str()).unwrap();
    assert_eq!(farm.get(url, None, None).await.2, [0, 255]);
    let older = done(&farm, "GET", &at(&format!("/artifacts?start={}", files[1]["id"])), None).await;
    assert_eq!((&older["results"], &older["total"]), (&json!([files[1]]), &2.into()));

    // A running one, of bob's at first: his is nobody's business, alice's ends.
    let sleeps = "image: host\ntasks:\n  - a: |\n      echo begun\n      sleep 600\n";
    let foreign = farm.submit_as(&farm.bob, MANIFEST, ", execute: false").await;
    let id = farm.submit(sleeps, "").await;
    farm.wait_for_log(id, "a", "begun").await;
    let cancel = async |id: i64, token: &str| {
        call(&farm, "POST", &format!("/api/jobs/{id}/cancel"), Some(token), None).await
    };
    assert_eq!(cancel(id, &farm.bob).await, missing());
    assert_eq!(cancel(foreign, &farm.alice).await, missing());
    assert_eq!(
        call(&farm, "POST", &format!("/api/jobs/{foreign}/start"), Some(&farm.alice), None).await,
        missing()
    );
    assert_eq!(cancel(id, &farm.alice).await, (200, json!({})));
    farm.wait(id, "CANCELLED").await;
    let job = done(&farm, "GET", &format!("/api/jobs/{id}"), None).await;
    assert_eq!((&job["status"], &job["tasks"][0]["status"]), (&"cancelled".into(), &"failed".into()));
    let (status, refusal) = cancel(id, &farm.alice).await;
    assert_eq!((status, fields(&refusal)), (400, vec![""]));
    // One that waits can be cancelled too.
    let waits = pending(&farm).await;
    assert_eq!(cancel(waits, &farm.alice).await, (200, json!({})));
}

async fn both_interfaces_say_the_same_about_a_job(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let manifest = "image: host\ntasks:\n  - good: echo hi\n  - bad: |\n      echo oh no\n      exit 3\n  - later: echo\n";
    let failed = farm.submit(manifest, ", tags: [\"x\", \"y\"], note: \"n\"").await;
    farm.wait(failed, "FAILED").await;
    let waiting = farm.submit(MANIFEST, ", execute: false").await;
    for id in [failed, waiting] {
        let query = "id status note tags manifest runner owner { canonicalName } log { fullURL }
            tasks { name status log { fullURL } }";
        let theirs = farm.job(id, query).await;
        let ours = done(&farm, "GET", &format!("/api/jobs/{id}"), None).await;
        let lower = |value: &Value| value.as_str().unwrap().to_lowercase();
        let tags: Vec<&str> =
            theirs["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
        assert_eq!(ours["status"], lower(&theirs["status"]));
        assert_eq!(ours["tags"].as_str().unwrap_or_default(), tags.join("/"));
        for field in ["id", "note", "runner"] {
            assert_eq!(ours[field], theirs[field], "{field}");
        }
        assert_eq!(ours["owner"]["canonical_name"], theirs["owner"]["canonicalName"]);
        let (_, _, manifest) = farm.get(&format!("/api/jobs/{id}/manifest"), None, None).await;
        assert_eq!(manifest, theirs["manifest"].as_str().unwrap().as_bytes());
        same_bytes(&farm, &ours["setup_log"], &theirs["log"]["fullURL"]).await;
        for (our, their) in ours["tasks"].as_array().unwrap().iter().zip(theirs["tasks"].as_array().unwrap())
        {
            assert_eq!(
                (&our["name"], our["status"].as_str()),
                (&their["name"], Some(lower(&their["status"]).as_str()))
            );
            same_bytes(&farm, &our["log"], &their["log"]["fullURL"]).await;
        }
        assert_eq!(ours["tasks"].as_array().unwrap().len(), theirs["tasks"].as_array().unwrap().len());
    }
}

/// Two addresses of one log, or none at all. Ours needs no token.
async fn same_bytes(farm: &Farm, ours: &Value, theirs: &Value) {
    assert_eq!(ours.is_null(), theirs.is_null(), "{ours} {theirs}");
    let (Some(ours), Some(theirs)) = (ours.as_str(), theirs.as_str()) else { return };
    let (ours, theirs) =
        (ours.strip_prefix(&farm.server.origin).unwrap(), theirs.strip_prefix(&farm.server.origin).unwrap());
    let (status, _, bytes) = farm.get(ours, None, None).await;
    assert_eq!((status, bytes), (200, farm.get(theirs, Some(&farm.alice), None).await.2), "{ours}");
}

#[tokio::test]
async fn a_head_is_a_get_without_its_body() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let id = pending(&farm).await;
    for path in ["/api/jobs".to_string(), format!("/api/jobs/{id}"), format!("/api/jobs/{id}/manifest")] {
        let head = farm.client.request("HEAD", &path, Some(&farm.alice)).send().await.unwrap();
        assert_eq!(head.status().as_u16(), 200, "{path}");
        assert!(head.bytes().await.unwrap().is_empty());
    }
    // Bearer is as good as token, in any case.
    let request = farm.client.request("GET", "/api/jobs", None);
    let (status, _) = answer(request.header("authorization", format!("bearer {}", farm.alice))).await;
    assert_eq!(status, 200);
}
