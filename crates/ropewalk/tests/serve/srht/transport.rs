//! How requests come and answers go.

use super::farm::Farm;
use super::on_both_engines;
use crate::server::{Engine, answer};
use serde_json::{Value, json};

on_both_engines! {
    srht_43_version_and_caller
    srht_44_text_is_taken_for_a_number
    srht_45_a_file_is_read_and_an_ordinary_token_denied
}

async fn srht_43_version_and_caller(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let query = "query { version { major minor patch deprecationDate settings { sshUser buildTimeout } }
        me { id canonicalName username email url location bio created updated } }";
    let data = farm.ask(&farm.alice, query, Value::Null).await;
    let version = json!({ "major": 0, "minor": 0, "patch": 0, "deprecationDate": null,
        "settings": { "sshUser": "builds", "buildTimeout": "45m" } });
    assert_eq!((&data["version"], &data["me"]["canonicalName"]), (&version, &"~alice".into()));
    let id = data["me"]["id"].clone();
    let same = farm
        .ask(
            &farm.bob,
            "query($id: Int!) { userByID(id: $id) { canonicalName ... on User { username } } }",
            json!({ "id": id }),
        )
        .await;
    assert_eq!(same["userByID"], json!({ "canonicalName": "~alice", "username": "alice" }));
}

async fn srht_44_text_is_taken_for_a_number(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let id = farm.submit(super::farm::MANIFEST, "").await;
    let data = farm
        .ask(&farm.alice, "query q($id: Int!) { job(id: $id) { id } }", json!({ "id": id.to_string() }))
        .await;
    assert_eq!(data["job"]["id"], id);
    for wrong in
        [json!("x"), json!("1.0"), json!(" 1"), json!(""), json!([]), json!(1.5), json!(true), Value::Null]
    {
        let (status, body) = farm
            .post(&farm.alice, "query q($id: Int!) { job(id: $id) { id } }", json!({ "id": wrong }))
            .await;
        assert!(status < 500 && body["errors"].is_array(), "{wrong}: {status} {body}");
    }
}

/// As hut writes it: names without quotes, the file's name first, in chunks.
fn multipart(operations: &Value, map: &Value, files: &[(&str, &str)]) -> String {
    let part = |head: &str, kind: &str, body: &str| {
        format!("--B\r\nContent-Disposition: form-data; {head}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n")
    };
    let mut text = part("name=operations", "application/json", &operations.to_string());
    text += &part("name=map", "application/json", &map.to_string());
    for (name, content) in files {
        text += &part(&format!("filename=m.yml; name={name}"), "application/yaml", content);
    }
    text + "--B--\r\n"
}

async fn srht_45_a_file_is_read_and_an_ordinary_token_denied(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let query = "mutation($jobId: Int!, $contents: File!) { createArtifact(jobId: $jobId, path: \"x\", contents: $contents) { id } }";
    let operations = json!({ "query": query, "variables": { "contents": null, "jobId": "1" } });
    let map = json!({ "contents": ["variables.contents"] });
    let send = async |token: &str| {
        let text = multipart(&operations, &map, &[("contents", "image: host\n")]);
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            text.into_bytes().chunks(100).map(|c| Ok(c.to_vec())).collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let request = farm.client.request("POST", "/query", Some(token));
        answer(request.header("content-type", "multipart/form-data; boundary=B").body(body)).await
    };
    let (status, body) = send(&farm.alice).await;
    assert_eq!((status, &body["data"]), (200, &json!({ "createArtifact": null })), "{body}");
    assert!(
        body["errors"][0]["message"].as_str().unwrap().to_lowercase().contains("access denied"),
        "{body}"
    );
    // A runner's token gets as far as there is something.
    let (status, body) = send(&farm.token("alice", "RUNNER:RW")).await;
    assert_eq!(
        (status, &body["errors"][0]["extensions"]["code"]),
        (200, &"ERR_UNSUPPORTED".into()),
        "{body}"
    );
    // A file cannot be written as JSON.
    let (status, body) = farm.post(&farm.alice, query, json!({ "jobId": 1, "contents": "text" })).await;
    assert_eq!(status, 422, "{body}");
}

#[tokio::test]
async fn answers_have_the_type_that_hut_takes() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let request = farm.client.request("POST", "/query", Some(&farm.alice));
    let request = request
        .header("content-type", "application/json; charset=utf-8")
        .header("accept", "application/json");
    let response =
        request.body(r#"{"query":"{ version { major } }","variables":null}"#).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/json"));
    assert_eq!(response.text().await.unwrap(), r#"{"data":{"version":{"major":0}}}"#);
}

#[tokio::test]
async fn queries_and_nothing_else_can_be_asked_by_get() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let get = async |query: &str| {
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        answer(farm.client.request("GET", &format!("/query?query={query}"), Some(&farm.alice))).await
    };
    assert_eq!(get("{ version { major } }").await, (200, json!({ "data": { "version": { "major": 0 } } })));
    assert_eq!(get("mutation { cancel(jobId: 1) { id } }").await.0, 405);
    for method in ["PUT", "DELETE", "PATCH"] {
        let response = farm.client.request(method, "/query", Some(&farm.alice)).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method}");
        assert!(response.headers()["allow"].to_str().unwrap().contains("POST"));
    }
}

#[tokio::test]
async fn everybody_may_know_the_scopes_and_the_schema() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let (status, meta) = farm.client.get("/query/api-meta.json", None).await;
    assert_eq!((status, meta), (200, json!({ "scopes": ["PROFILE", "JOBS", "LOGS", "SECRETS"] })));
    let (status, _, sdl) = farm.get("/query/schema.graphql", None, None).await;
    assert_eq!((status, String::from_utf8(sdl).unwrap().as_str()), (200, ropewalk_door_srht::sdl()));
    assert_eq!(farm.get("/query/metrics", None, None).await.0, 200);
}

#[tokio::test]
async fn an_upload_has_so_many_parts() {
    let farm = Farm::with_limits(&[("ROPEWALK_LIMITS__UPLOAD_PARTS", "2")]).await;
    let send = async |files: &[(&str, &str)]| {
        let text = multipart(&json!({ "query": "{ version { major } }" }), &json!({}), files);
        let request = farm.client.request("POST", "/query", Some(&farm.alice));
        answer(request.header("content-type", "multipart/form-data; boundary=B").body(text)).await
    };
    assert_eq!(send(&[]).await, (200, json!({ "data": { "version": { "major": 0 } } })));
    let (status, body) = send(&[("contents", "x")]).await;
    let words = body["errors"][0]["message"].as_str().unwrap();
    assert!(status == 400 && words.contains("more than 2 parts (limits.upload-parts)"), "{status} {body}");
}
