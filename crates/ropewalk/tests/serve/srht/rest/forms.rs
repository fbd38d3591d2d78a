//! Bodies that are no JSON.

use super::super::farm::{Farm, MANIFEST};
use super::{done, fields};
use crate::server::{Engine, answer};
use serde_json::json;

#[tokio::test]
async fn forms_are_taken_as_well() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let send = async |kind: &str, body: String| {
        let request = farm.client.request("POST", "/api/jobs", Some(&farm.alice)).body(body);
        answer(if kind.is_empty() { request } else { request.header("content-type", kind) }).await
    };
    let urlencoded = "application/x-www-form-urlencoded";
    let manifest = MANIFEST.replace(' ', "+").replace(':', "%3A").replace('\n', "%0A");
    let (status, job) =
        send(urlencoded, format!("manifest={manifest}&tags=a&tags=b&note=n+m&execute=false")).await;
    assert_eq!(status, 200, "{job}");
    assert_eq!(
        (&job["tags"], &job["note"], &job["status"]),
        (&"a/b".into(), &"n m".into(), &"pending".into())
    );
    assert_eq!(
        farm.get(&format!("/api/jobs/{}/manifest", job["id"]), None, None).await.2,
        MANIFEST.as_bytes()
    );
    let group = farm
        .client
        .request("POST", "/api/job-group", Some(&farm.alice))
        .body(format!("jobs={}&execute=true", job["id"]));
    let (status, group) = answer(group.header("content-type", urlencoded)).await;
    assert_eq!((status, &group["jobs"][0]["status"]), (200, &"queued".into()), "{group}");

    let part = format!(
        "--B\r\nContent-Disposition: form-data; name=\"manifest\"; filename=\"m.yml\"\r\nContent-Type: application/x-yaml\r\n\r\n{MANIFEST}\r\n--B--\r\n"
    );
    let (status, job) = send("multipart/form-data; boundary=B", part).await;
    assert_eq!((status, &job["status"]), (200, &"queued".into()), "{job}");

    // What is no form says nothing.
    for kind in ["", "text/plain", "application/x-yaml", "application/json-patch+json"] {
        let (status, refusal) = send(kind, MANIFEST.into()).await;
        assert_eq!((status, fields(&refusal)), (400, vec!["manifest"]), "{kind}");
    }
    let body = json!({ "manifest": MANIFEST }).to_string();
    assert_eq!(send("application/json; charset=utf-8", body).await.0, 200);
    assert_eq!(done(&farm, "GET", "/api/jobs", None).await["total"], 3);
}
