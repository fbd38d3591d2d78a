//! Requests that no well-meaning client sends: each gets an error of this dialect, none a server error, none hangs.

use super::super::farm::{Farm, MANIFEST};
use super::super::on_both_engines;
use super::{done, pending};
use crate::hostile::{SEGMENTS, SOON};
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    no_address_method_or_body_breaks_a_route
}

/// Values that only this dialect could take for a number or a name.
const ODD: &[&str] = &["007", "%31", "%D9%A1", "", "a;b", "log"];

const ROUTES: &[&str] = &[
    "/api/jobs",
    "/api/jobs/{}",
    "/api/jobs/{}/artifacts",
    "/api/jobs/{}/manifest",
    "/api/jobs/{}/start",
    "/api/jobs/{}/cancel",
    "/api/jobs/{}/log",
    "/api/jobs/{}/tasks/{}/log",
    "/api/job-group",
    "/api/job-group/{}",
    "/api/job-group/{}/start",
    "/api/job-group/{}/cancel",
];

const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "A"];

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    let json_kind = "application/json";
    let form = "application/x-www-form-urlencoded";
    let parts = "multipart/form-data; boundary=B";
    let part = "--B\r\nContent-Disposition: form-data; name=manifest\r\n\r\nx\r\n";
    let text = |kind: &'static str, text: &str| (kind, text.as_bytes().to_vec());
    let value = |value: Value| (json_kind, value.to_string().into_bytes());
    vec![
        text(json_kind, ""),
        text(json_kind, "{"),
        text(json_kind, "null"),
        text(json_kind, "[]"),
        text(json_kind, "5"),
        text(json_kind, "\0"),
        text(json_kind, "\u{feff}{}"),
        text(json_kind, "{\"manifest\":\"\\ud800\"}"),
        text(json_kind, "{\"manifest\":\"a\",}"),
        text(json_kind, "{} {}"),
        text(json_kind, &"[".repeat(100_000)),
        text(json_kind, &"{\"a\":".repeat(100_000)),
        text(json_kind, &format!("{{\"jobs\":[{}]}}", "9".repeat(5000))),
        (json_kind, b"{\"manifest\":\"\xff\xfe\"}".to_vec()),
        value(json!({ "manifest": 5 })),
        value(json!({ "manifest": { "image": "host" } })),
        value(json!({ "manifest": "\0" })),
        value(json!({ "manifest": MANIFEST, "note": "\0" })),
        value(json!({ "manifest": MANIFEST, "tags": ["\0"] })),
        value(json!({ "manifest": MANIFEST, "tags": [null] })),
        value(json!({ "manifest": MANIFEST, "tags": [["a"]] })),
        value(json!({ "manifest": MANIFEST, "tags": vec!["x"; 1000] })),
        value(json!({ "manifest": MANIFEST, "tags": ["x".repeat(1000)] })),
        value(json!({ "manifest": MANIFEST, "execute": "false" })),
        value(json!({ "manifest": MANIFEST, "execute": 0 })),
        value(json!({ "manifest": MANIFEST, "secrets": [] })),
        value(json!({ "manifest": "x".repeat(100 << 10) })),
        value(json!({ "manifest": "a: &a [x,x]\nb: &b [*a,*a]\nimage: [*b,*b]\n" })),
        value(json!({ "manifest": "image: \"h\\0\"\ntasks: [{a: x}]" })),
        value(json!({ "jobs": [i64::MIN] })),
        value(json!({ "jobs": [i64::MAX, 0, -1] })),
        value(json!({ "jobs": [u64::MAX] })),
        value(json!({ "jobs": [[1]] })),
        value(json!({ "jobs": [null] })),
        value(json!({ "jobs": [1], "triggers": "x" })),
        value(json!({ "jobs": [1], "triggers": [{ "action": "email" }] })),
        value(json!({ "jobs": [1], "triggers": [5, null] })),
        (json_kind, format!("{{\"manifest\":\"{}\"}}", "a".repeat(2 << 20)).into_bytes()),
        text(form, "manifest=%"),
        text(form, "manifest=%ff"),
        text(form, "manifest=%00"),
        text(form, "manifest"),
        text(form, "=&=&&&==="),
        text(form, "manifest=a&manifest=b"),
        text(form, &"a&".repeat(100_000)),
        (form, vec![0xff; 1000]),
        (form, vec![b'a'; 2 << 20]),
        text("multipart/form-data", "x"),
        text("multipart/form-data; boundary=", "x"),
        text(parts, ""),
        text(parts, "--B--\r\n"),
        text(parts, part),
        text(parts, &part.repeat(3000)),
        text(parts, &format!("--B\r\nX: {}", "x".repeat(500_000))),
        (parts, [part.replace("x\r\n", "").as_bytes(), b"\xff\r\n--B--\r\n"].concat()),
        text(";;;=", "{}"),
        text("text/html", "<script>"),
    ]
}

struct Answer {
    status: u16,
    allow: Option<String>,
    body: Vec<u8>,
}

async fn ask(farm: &Farm, what: &str, request: reqwest::RequestBuilder) -> Answer {
    let sent =
        tokio::time::timeout(SOON, request.send()).await.unwrap_or_else(|_| panic!("{what}: no answer"));
    let response = sent.unwrap_or_else(|error| panic!("{what}: {error}"));
    let status = response.status().as_u16();
    let allow = response.headers().get("allow").map(|value| value.to_str().unwrap().to_string());
    let body = response.bytes().await.unwrap().to_vec();
    assert!(status < 500, "{what}: {status} {}\n{}", String::from_utf8_lossy(&body), farm.server.words());
    Answer { status, allow, body }
}

/// That an error has the form of this dialect.
fn check(what: &str, answer: &Answer) {
    if answer.status == 200 {
        return;
    }
    let body: Value = serde_json::from_slice(&answer.body)
        .unwrap_or_else(|_| panic!("{what}: {} {}", answer.status, String::from_utf8_lossy(&answer.body)));
    let no_group = what.contains("/api/job-group/") && answer.status == 404 && body == json!({});
    let reason = body["errors"][0]["reason"].as_str().unwrap_or_default();
    assert!(no_group || !reason.is_empty() && reason.len() < 4000, "{what}: {} {body}", answer.status);
}

async fn no_address_method_or_body_breaks_a_route(engine: Engine) {
    let farm = Farm::patient(engine).await;
    assert_eq!(pending(&farm).await, 1);
    every_segment(&farm).await;
    every_method(&farm).await;
    every_body(&farm).await;
    every_header(&farm).await;
    // Nothing of all this did anything, and the server goes on.
    let list = done(&farm, "GET", "/api/jobs", None).await;
    assert_eq!((&list["total"], &list["results"][0]["status"]), (&1.into(), &"pending".into()), "{list}");
    assert!(!farm.server.words().contains("a handler of"), "{}", farm.server.words());
}

async fn every_segment(farm: &Farm) {
    for route in ROUTES.iter().filter(|route| route.contains("{}")) {
        for segment in SEGMENTS.iter().chain(ODD) {
            let path = route.replace("{}", segment);
            // The only one that is there is not to be started: it stays what it was.
            let what = format!("GET {path}");
            let answer = ask(farm, &what, farm.client.request("GET", &path, Some(&farm.alice))).await;
            if path.starts_with("/api/jobs/") || path.starts_with("/api/job-group/") {
                // A client folds dots before it asks.
                if !matches!(*segment, ".." | "." | "%2e%2e") {
                    check(&what, &answer);
                }
            }
        }
    }
}

async fn every_method(farm: &Farm) {
    for route in ROUTES {
        let path = route.replace("{}", "999999");
        for method in METHODS {
            let what = format!("{method} {path}");
            let request = farm.client.request(method, &path, Some(&farm.alice));
            let answer = ask(farm, &what, request).await;
            if *method != "HEAD" {
                check(&what, &answer);
            }
            if answer.status == 405 {
                let allow = answer.allow.unwrap_or_else(|| panic!("{what}: no Allow"));
                assert!(allow.contains("GET") || allow.contains("POST"), "{what}: {allow}");
                assert!(!allow.split(',').any(|allowed| allowed.trim() == *method), "{what}: {allow}");
            } else {
                assert!(matches!(*method, "GET" | "HEAD" | "POST"), "{what}: {}", answer.status);
            }
        }
    }
}

async fn every_body(farm: &Farm) {
    let all = bodies();
    for path in ["/api/jobs", "/api/job-group"] {
        for (number, (kind, body)) in all.iter().enumerate() {
            let what = format!("POST {path} body {number} ({kind})");
            let request = farm.client.request("POST", path, Some(&farm.alice)).header("content-type", *kind);
            let answer = ask(farm, &what, request.body(body.clone())).await;
            let expected = if body.len() > 1 << 20 { 413 } else { 400 };
            assert_eq!(answer.status, expected, "{what}: {}", String::from_utf8_lossy(&answer.body));
            check(&what, &answer);
        }
    }
}

async fn every_header(farm: &Farm) {
    for (name, value) in [
        ("authorization", "token \u{e9}"),
        ("authorization", "token"),
        ("authorization", "Digest username=a"),
        ("x-api-key", "x"),
        ("range", "bytes=5-1"),
        ("range", "bytes=0-0,2-3"),
        ("if-none-match", "*"),
        ("expect", "nothing"),
        ("content-encoding", "gzip"),
        ("cookie", "hydra_session=\u{1f4a9}"),
        ("x-forwarded-for", "'; --"),
        ("host", "elsewhere.example"),
        ("accept", "text/html"),
        ("transfer-encoding", "identity"),
    ] {
        for route in ROUTES {
            let path = route.replace("{}", "999999");
            let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            let what = format!("GET {path} {name}: {value:?}");
            let answer = ask(farm, &what, farm.client.request("GET", &path, None).header(name, value)).await;
            check(&what, &answer);
        }
    }
    let twice = farm.client.request("POST", "/api/jobs", Some(&farm.alice)).body("{}");
    let twice = twice.header("content-type", "application/json").header("content-type", "text/plain");
    let answer = ask(farm, "two types", twice).await;
    assert_eq!(answer.status, 400);
    check("two types", &answer);
}
