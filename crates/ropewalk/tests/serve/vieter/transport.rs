//! Requests as Vieter's clients send them.

use super::packages::package;
use super::{Farm, GIT, answer, on_both_engines};
use crate::server::Engine;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

on_both_engines! {
    vieter_01_health_needs_no_key
    vieter_02_a_wrong_key_changes_nothing
    vieter_50_what_is_not_there
    vieter_52_a_request_of_vs_client_is_answered_and_closed
}

async fn vieter_01_health_needs_no_key(engine: Engine) {
    let farm = Farm::start(engine).await;
    let health = answer(farm.request("GET", "/health")).await;
    assert_eq!((health.status, health.text().as_str()), (200, r#"{"message":"Healthy.","data":""}"#));
    assert_eq!(health.headers["content-type"], "application/json");
    for path in ["/health/", "//health"] {
        assert_eq!(answer(farm.request("GET", path)).await.status, 200, "{path}");
    }
}

async fn vieter_02_a_wrong_key_changes_nothing(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    let log = farm.log(&format!("target={id}&startTime=1&endTime=2&arch=a&exitCode=0"), b"log").await;
    farm.queue(id, "x86_64").await;
    let routes = [
        ("GET", "/api/v1/targets".to_string()),
        ("GET", format!("/api/v1/targets/{id}")),
        ("POST", format!("/api/v1/targets?{GIT}")),
        ("POST", "/api/v1/targets".into()),
        ("PATCH", format!("/api/v1/targets/{id}?branch=x")),
        ("DELETE", format!("/api/v1/targets/{id}")),
        ("POST", format!("/api/v1/jobs/queue?target={id}&arch=x86_64")),
        ("GET", "/api/v1/jobs/poll?arch=x86_64&max=9".into()),
        ("GET", "/api/v1/logs".into()),
        ("GET", format!("/api/v1/logs/{log}")),
        ("GET", format!("/api/v1/logs/{log}/content")),
        ("POST", format!("/api/v1/logs?target={id}&startTime=1&endTime=2&arch=a&exitCode=0")),
        ("DELETE", format!("/api/v1/logs/{log}")),
        ("POST", "/r/publish".into()),
        ("DELETE", "/r".into()),
        ("DELETE", "/r/x86_64".into()),
        ("DELETE", "/r/x86_64/p".into()),
    ];
    assert_eq!(farm.publish("r", package("p", "1-1", "x86_64")).await.status, 200);
    let database = farm.read("/r/x86_64/r.db").await.bytes;
    // Fewer than a second lets one address ask without a key.
    for (method, path) in &routes {
        answer(farm.request(method, path)).await.is_refused(401, "401 Unauthorized");
        answer(farm.request(method, path).header("X-Api-Key", "wrong"))
            .await
            .is_refused(401, "401 Unauthorized");
    }
    assert_eq!(farm.get("/api/v1/targets").await.data().as_array().unwrap().len(), 1);
    assert_eq!(farm.get(&format!("/api/v1/targets/{id}")).await.data()["branch"], "");
    assert_eq!(farm.get("/api/v1/logs").await.data().as_array().unwrap().len(), 1);
    assert_eq!(farm.poll("x86_64", 9).await.len(), 1);
    assert_eq!(farm.read("/r/x86_64/r.db").await.bytes, database);
}

async fn vieter_50_what_is_not_there(engine: Engine) {
    let farm = Farm::start(engine).await;
    for (method, path) in [
        ("GET", "/nosuch"),
        ("GET", "/api/v1/nosuch"),
        ("GET", "/api/v1"),
        ("PUT", "/health"),
        ("DELETE", "/api/v1/x"),
        ("PUT", "/api/v1/targets"),
        ("POST", "/api/v1/jobs/poll"),
        ("GET", "/api/v1/jobs/queue"),
        ("GET", "/api/v1/metrics"),
    ] {
        assert_eq!(farm.ask(method, path).await.status, 404, "{method} {path}");
    }
}

/// What a raw socket answers until it is closed.
pub(super) fn raw(farm: &Farm, request: &str) -> (String, Duration) {
    let mut stream = TcpStream::connect(farm.server.origin.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the connection must be closed");
    (answer, begun.elapsed())
}

async fn vieter_52_a_request_of_vs_client_is_answered_and_closed(engine: Engine) {
    let farm = Farm::start(engine).await;
    let key = &farm.key;
    let head =
        format!("Host: 127.0.0.1\r\nUser-Agent: v.http\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n");
    for (line, expected) in [
        (format!("POST /api/v1/targets?{GIT}&path=&branch=&arch= HTTP/1.1"), r#"{"message":"","data":1}"#),
        ("PATCH /api/v1/targets/1?branch=x HTTP/1.1".into(), r#""branch":"x""#),
        ("POST /api/v1/jobs/queue?target=1&arch=x86_64 HTTP/1.1".into(), ""),
        ("GET /api/v1/jobs/poll?arch=x86_64&max=1 HTTP/1.1".into(), r#""target_id":1"#),
        ("POST /api/v1/logs?target=1&startTime=1&endTime=2&arch=a&exitCode=0 HTTP/1.1".into(), r#""data":1"#),
        ("DELETE /api/v1/targets/1 HTTP/1.1".into(), ""),
    ] {
        let (answer, took) = raw(&farm, &format!("{line}\r\n{head}"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(expected), "{line}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        assert!(took < Duration::from_secs(10), "{line} took {took:?}");
    }
    assert_eq!(farm.get("/api/v1/targets").await.data(), json!([]));
}
