//! Requests that no well-meaning client sends: each is answered, none with a server error, none hangs.

use super::{SEGMENTS, SOON};
use crate::server::{Client, Engine, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

const QUERIES: &[&str] = &[
    "?limit=0",
    "?limit=-1",
    "?limit=99999999999",
    "?before=x",
    "?before=-9223372036854775808",
    "?after=9223372036854775807",
    "?limit=1&limit=2",
    "?%ff=%ff",
    "?owner=%00",
    "?owner=';--",
    "?status=dead",
    "?unknown=1",
    "?&&&===",
    "?after=%F0%9D%84%9E",
];

async fn survives(request: reqwest::RequestBuilder, what: &str) -> u16 {
    let sent = tokio::time::timeout(SOON, request.send()).await;
    let response =
        sent.unwrap_or_else(|_| panic!("{what}: no answer")).unwrap_or_else(|e| panic!("{what}: {e}"));
    let status = response.status().as_u16();
    let words = match response.headers().get("content-type").map(|kind| kind.as_bytes()) {
        Some(b"text/event-stream") => String::new(),
        _ => response.text().await.unwrap_or_default(),
    };
    assert!(status < 500, "{what}: {status} {words}");
    status
}

async fn routes(client: &Client) -> Vec<(String, String)> {
    let (_, api) = client.get("/api/n1/openapi.json", None).await;
    let of = |(path, methods): (&String, &Value)| -> Vec<(String, String)> {
        methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    api["paths"].as_object().unwrap().iter().flat_map(of).collect()
}

fn with_segment(path: &str, segment: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { segment } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn no_path_query_header_or_body_breaks_a_route_on_sqlite() {
    every_route_survives(Engine::Sqlite).await;
}

#[tokio::test]
async fn no_path_query_header_or_body_breaks_a_route_on_postgresql() {
    every_route_survives(Engine::Postgres).await;
}

async fn every_route_survives(engine: Engine) {
    let server = Server::start_with(engine, &["--no-runner"]).await;
    server.submit("image: host\ntasks:\n  - a: 'true'\n");
    let (client, token) = (server.client(), server.token());
    let bodies = [
        String::new(),
        "{".into(),
        "null".into(),
        "[]".into(),
        "5".into(),
        "\u{0}".into(),
        "{\"manifest\":5}".into(),
        format!("{{\"manifest\":{}}}", json!("a".repeat(20_000))),
        "[".repeat(100_000),
        "\"\\ud800\"".into(),
        json!({ "manifest": "\u{0}", "tags": ["\u{0}"], "note": "\u{0}", "visibility": "\u{0}" }).to_string(),
        json!({ "manifest": "image: host\ntasks: [{a: x}]", "tags": vec!["x"; 1000] }).to_string(),
        json!({ "manifest": "image: host\ntasks: [{a: x}]", "note": "x".repeat(5000) }).to_string(),
        json!({ "name": "\u{0}", "password": "x".repeat(5000), "email": "\r\n", "roles": ["x"] }).to_string(),
        json!({ "grants": "\u{0}", "comment": "x".repeat(5000), "lifetime": u64::MAX }).to_string(),
        json!({ "grants": "", "comment": "\u{0}", "lifetime": u64::MAX }).to_string(),
        json!({ "name": "\u{0}", "password": "long enough" }).to_string(),
        json!({ "name": "bob", "password": "long enough", "email": "a\u{0}@b" }).to_string(),
        json!({ "password": "long\u{0}enough" }).to_string(),
        json!({ "manifest": "# \u{0}\nimage: host\ntasks: [{a: x}]" }).to_string(),
        json!({ "manifest": "image: \"h\\0\"\ntasks: [{a: x}]" }).to_string(),
        json!({ "manifest": "image: host\nartifacts: [\"a\\0\"]\ntasks: [{a: \"\\0\"}]" }).to_string(),
        json!({ "manifest": "image: host\ntriggers: [{action: email, condition: always, to: \"\\0\"}]\ntasks: [{a: x}]" }).to_string(),
    ];
    for (method, path) in routes(&client).await {
        let call = |address: &str| client.request(&method, address, Some(&token));
        let path_1 = with_segment(&path, "1");
        for segment in SEGMENTS {
            let address = with_segment(&path, segment);
            survives(call(&address), &format!("{method} {address}")).await;
        }
        for query in QUERIES {
            let address = format!("{path_1}{query}");
            survives(call(&address), &format!("{method} {address}")).await;
        }
        for (name, value) in [
            ("range", "bytes=0-0,1-1,2-2"),
            ("range", "bytes=9999999999999999999999-"),
            ("range", "bytes=-"),
            ("range", "x"),
            ("last-event-id", "x"),
            ("last-event-id", "99999999999999999999"),
            ("last-event-id", "9.9.9:9.9"),
            ("content-type", "text/plain"),
            ("content-type", "application/json; charset=utf-7"),
            ("accept", "\u{1}"),
        ] {
            let Ok(value) = reqwest::header::HeaderValue::from_str(value) else { continue };
            let what = format!("{method} {path_1} with {name}: {value:?}");
            survives(call(&path_1).header(name, value).body("{}"), &what).await;
        }
        if ["POST", "PUT"].contains(&method.as_str()) {
            for body in &bodies {
                let what = format!("{method} {path_1} with {}", &body.chars().take(60).collect::<String>());
                let request = call(&path_1).header("content-type", "application/json").body(body.clone());
                survives(request, &what).await;
            }
            let large = call(&path_1).header("content-type", "application/json").body("x".repeat(3 << 20));
            let status = large.send().await.map(|response| response.status().as_u16());
            assert!(
                !status.as_ref().is_ok_and(|status| *status >= 500 || *status < 400),
                "{method} {path_1}: {status:?}"
            );
        }
    }
    assert!(!server.words().contains("panicked"), "{}", server.words());
    assert_eq!(client.get("/readyz", None).await.0, 200);
}

#[tokio::test]
async fn wrong_methods_and_crooked_paths_are_refused() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let client = server.client();
    for (method, path, allow) in [
        ("DELETE", "/api/n1/jobs", "GET,HEAD,POST"),
        ("POST", "/api/n1/queue", "GET,HEAD"),
        ("PUT", "/healthz", "GET,HEAD"),
    ] {
        let response = client.request(method, path, None).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        let mut allowed: Vec<String> =
            response.headers()["allow"].to_str().unwrap().split(',').map(|m| m.trim().into()).collect();
        allowed.sort();
        assert_eq!(allowed.join(","), allow);
        let refusal: Value = response.json().await.unwrap();
        assert_eq!(refusal["kind"], "wrong-method");
    }
    let (status, refusal) = client.get("/api/n1/nothing", None).await;
    assert_eq!((status, &refusal["kind"]), (404, &"missing".into()));
    assert_eq!(client.get("/nowhere", None).await.0, 404);
    for raw in ["/a%2Fb", "/api/n1/../n1/jobs", "/api/./n1", "/%2e%2e/x", "/a%00", "/%zz", "/%ff", "/a%5Cb"] {
        assert!(
            send_raw(&server, &format!("GET {raw} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
                .starts_with("HTTP/1.1 400"),
            "{raw}"
        );
    }
}

/// Sends bytes and reads the answer, for requests that no client library makes.
fn send_raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.origin.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(SOON + SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = vec![];
    let _ = stream.take(64 << 10).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn broken_http_ends_its_own_connection_only() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(20_000));
    assert!(send_raw(&server, &long).starts_with("HTTP/1.1 400"));
    let huge = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    assert!(send_raw(&server, &huge).starts_with("HTTP/1.1 431"));
    for request in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /api/n1/jobs HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        let answer = send_raw(&server, request);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
            "{answer}"
        );
    }
    assert_eq!(server.client().get("/readyz", None).await.0, 200);
}

#[tokio::test]
async fn one_address_holds_so_many_connections_and_none_of_them_for_nothing() {
    let limits = [("ROPEWALK_LIMITS__CONNECTIONS_PER_ADDRESS", "8"), ("ROPEWALK_LIMITS__HEAD_WITHIN", "15")];
    let server = Server::start_with_variables(&["--no-runner"], &limits).await;
    let address = server.origin.trim_start_matches("http://").to_string();
    let slow = |_| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    };
    let held: Vec<TcpStream> = (0..8).map(slow).collect();
    let mut refused = String::new();
    let mut one_more = TcpStream::connect(&address).unwrap();
    one_more.set_read_timeout(Some(SOON)).unwrap();
    one_more.read_to_string(&mut refused).unwrap();
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{refused}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["kind"], "too-many");
    assert!(body["error"].as_str().unwrap().contains("limits.connections-per-address"), "{body}");
    // The administrator is not shut out.
    assert!(server.run(&["user", "list"]).status.success());
    // A request whose head never ends is cut off, which makes room.
    for mut stream in held {
        let mut answer = vec![];
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(server.client().get("/readyz", None).await.0, 200);
}

#[tokio::test]
async fn whoever_asks_too_often_waits() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let client = server.client();
    let mut refused = 0;
    for _ in 0..200 {
        let response = client.request("GET", "/api/n1/jobs", None).send().await.unwrap();
        if response.status() == 429 {
            assert!(response.headers().contains_key("retry-after"));
            refused += 1;
        }
    }
    assert!(refused > 0, "limits.requests-anonymous");
    assert_eq!(client.get("/api/n1/jobs", Some(&server.token())).await.0, 200);
}
