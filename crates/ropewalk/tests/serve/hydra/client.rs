//! What nlewo's `hydra-cli` sends, byte for byte as it was captured, and what it needs in the answers.

use super::{Answer, Farm, PASSWORD, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

on_both_engines! {
    hydra_19_hydra_cli_makes_lists_and_shows_projects
    hydra_20_hydra_cli_makes_a_jobset_twice
    hydra_27_hydra_cli_asks_for_an_evaluation
}

/// The client: its cookie goes along once it has one.
pub(crate) struct HydraCli<'a> {
    farm: &'a Farm,
    cookie: Option<String>,
}

impl HydraCli<'_> {
    pub(crate) fn new(farm: &Farm) -> HydraCli<'_> {
        HydraCli { farm, cookie: None }
    }

    fn exchange(&self, head: &str, body: &str) -> Answer {
        let host = self.farm.origin().trim_start_matches("http://");
        let mut request = head.to_string();
        if let Some(cookie) = &self.cookie {
            request.push_str(&format!("cookie: {cookie}\r\n"));
        }
        request.push_str("accept: */*\r\n");
        request.push_str(&format!("host: {host}\r\n"));
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("connection: close\r\n\r\n");
        request.push_str(body);
        let mut stream = TcpStream::connect(host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).unwrap();
        parse(&bytes)
    }

    /// Reads of the client say that they are JSON and take everything.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.exchange(&format!("GET {path} HTTP/1.1\r\ncontent-type: application/json\r\n"), "")
    }

    /// Writes name the host without a slash.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let origin = self.farm.origin();
        let head =
            format!("{method} {path} HTTP/1.1\r\ncontent-type: application/json\r\nreferer: {origin}\r\n");
        self.exchange(&head, &body.to_string())
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        let origin = self.farm.origin();
        self.exchange(
            &format!("DELETE {path} HTTP/1.1\r\ncontent-type: application/json\r\nreferer: {origin}\r\n"),
            "",
        )
    }

    /// What `jobset-eval` does: no log-in, no type.
    pub(crate) fn push(&self, jobset: &str) -> Answer {
        let origin = self.farm.origin();
        self.exchange(&format!("PUT /api/push?jobsets={jobset} HTTP/1.1\r\nreferer: {origin}\r\n"), "")
    }

    pub(crate) fn log_in(&mut self, name: &str) {
        let answer = self.send("POST", "/login", &json!({ "username": name, "password": PASSWORD }));
        assert!(answer.status < 400, "{}", answer.text());
        self.cookie = Some(super::cookie(&answer));
    }
}

/// An answer that is closed at its end.
fn parse(bytes: &[u8]) -> Answer {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| {
        (reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
    });
    let headers: reqwest::header::HeaderMap = headers.collect();
    assert!(!headers.contains_key("transfer-encoding"), "{head}");
    Answer { status, headers, bytes: bytes[at + 4..].to_vec() }
}

/// What the client reads of a project; a member of another type makes it fail.
fn is_project(project: &Value) -> bool {
    let is_flag = |name: &str| project[name].is_boolean() || project[name].is_i64();
    let has_texts = ["name", "owner", "displayname"].iter().all(|name| project[*name].is_string());
    let has_jobsets = project["jobsets"].as_array().is_some_and(|names| names.iter().all(Value::is_string));
    has_texts && has_jobsets && is_flag("enabled") && is_flag("hidden")
}

async fn hydra_19_hydra_cli_makes_lists_and_shows_projects(engine: Engine) {
    let farm = Farm::start(engine).await;
    let mut client = HydraCli::new(&farm);
    client.log_in("bob");
    let body = json!({ "displayname": "p", "enabled": true, "visible": true });
    assert_eq!(client.send("PUT", "/project/p", &body).status, 201);
    assert_eq!(client.send("PUT", "/project/p", &body).status, 200);
    let client = HydraCli::new(&farm);
    let projects = client.get("/").data();
    assert_eq!(projects.as_array().unwrap().len(), 1);
    assert!(is_project(&projects[0]), "{projects}");
    assert_eq!((&projects[0]["name"], &projects[0]["enabled"]), (&json!("p"), &json!(true)));
}

/// What `jobset-create` sends of a file with one input.
pub(crate) fn created_jobset(value: &str) -> Value {
    json!({
        "description": "d", "checkinterval": 60, "enabled": 1, "visible": true, "keepnr": 3, "nixexprinput": "src",
        "nixexprpath": "release.nix",
        "inputs": { "src": { "value": value, "type": "git", "revision": null, "uri": null } },
    })
}

async fn hydra_20_hydra_cli_makes_a_jobset_twice(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    let mut client = HydraCli::new(&farm);
    client.log_in("alice");
    let body = created_jobset("https://example.org/p.git main");
    assert_eq!(client.send("PUT", "/jobset/p/j", &body).status, 201);
    assert_eq!(client.send("PUT", "/jobset/p/j", &body).status, 200);
    let jobset = client.get("/jobset/p/j").data();
    assert!(jobset["nixexprinput"].is_string() && jobset["nixexprpath"].is_string(), "{jobset}");
    let gone = client.delete("/jobset/p/j");
    assert_eq!(gone.status, 200, "{}", gone.text());
    assert_eq!(client.get("/jobset/p/j").status, 404);
}

async fn hydra_27_hydra_cli_asks_for_an_evaluation(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.project("p").await;
    let jobset = super::good_jobset();
    assert_eq!(farm.jobset("p", "j", jobset).await.status, 201);
    assert_eq!(farm.get("/jobset/p/j").await.data()["triggertime"], json!(null));
    let pushed = HydraCli::new(&farm).push("p:j");
    assert_eq!(pushed.data(), json!({ "jobsetsTriggered": ["p:j"] }));
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    loop {
        let shown = farm.get("/jobset/p/j").await.data();
        if shown["starttime"].is_i64() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "no evaluation started: {shown}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
