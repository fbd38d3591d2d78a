//! Servers that end in the middle of a build.

use crate::server::{Engine, Server};
use std::io::Read;
use std::process::{Child, Stdio};

/// Prints numbers for some seconds.
const COUNT: &str = "image: host\ntasks:\n  - count: |\n      set +x\n      for n in $(seq 60); do echo \"line $n\"; sleep 0.1; done\n";

/// Starts a follower and waits until it printed a text. Answers all that it printed so far.
fn follow(server: &Server, until: &str) -> (Child, Vec<u8>) {
    let manifest = server.manifest(COUNT);
    let mut follower =
        server.command(&["submit", "--follow", &manifest]).stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = vec![];
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&printed).contains(until) {
        let n = follower.stdout.as_mut().unwrap().read(&mut buffer).unwrap();
        assert!(n > 0, "the follower ended: {}", String::from_utf8_lossy(&printed));
        printed.extend_from_slice(&buffer[..n]);
    }
    (follower, printed)
}

fn ends_once_with_every_line(server: &Server, follower: Child, mut printed: Vec<u8>) {
    let rest = follower.wait_with_output().unwrap();
    assert_eq!(rest.status.code(), Some(0), "the follower's exit");
    printed.extend(rest.stdout);
    let expected: Vec<String> = (1..=60).map(|n| format!("line {n}")).collect();
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).replace('\r', "");
        text.lines().filter(|line| line.starts_with("line ")).map(String::from).collect()
    };
    assert_eq!(lines(&printed), expected, "what the follower saw");
    assert_eq!(lines(&server.run(&["logs", "1", "count"]).stdout), expected, "what is kept");
    assert_eq!(server.json(&["show", "--json", "1"])["status"], "success");
}

async fn attempts_and_ends(server: &Server) -> (usize, usize) {
    let client = server.client();
    let (_, attempts) = client.get("/api/n1/jobs/1/attempts", None).await;
    let (_, events) = client.get("/api/n1/jobs/1/events?limit=100", None).await;
    let is_end = |event: &&serde_json::Value| {
        event["fact"]["event"] == "status"
            && !["queued", "running"].contains(&event["fact"]["status"].as_str().unwrap())
    };
    (attempts.as_array().unwrap().len(), events.as_array().unwrap().iter().filter(is_end).count())
}

async fn killed_in_mid_build(engine: Engine) {
    let mut server = Server::start(engine).await;
    let (follower, printed) = follow(&server, "line 7");
    server.kill();
    server.start_again();
    ends_once_with_every_line(&server, follower, printed);
    assert_eq!(attempts_and_ends(&server).await, (1, 1), "attempts and ends");
}

#[tokio::test]
async fn a_build_outlives_a_killed_server_and_ends_once_on_sqlite() {
    killed_in_mid_build(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_build_outlives_a_killed_server_and_ends_once_on_postgresql() {
    killed_in_mid_build(Engine::Postgres).await;
}

#[tokio::test]
async fn a_stopped_server_leaves_its_build_and_says_so() {
    let mut server = Server::start(Engine::Sqlite).await;
    let (follower, printed) = follow(&server, "line 5");
    server.terminate();
    assert!(server.words().contains("1 builds go on"), "{}", server.words());
    assert!(!server.data().join("admin.sock").exists());
    server.start_again();
    assert!(!server.welcome.contains("first start"), "{}", server.welcome);
    ends_once_with_every_line(&server, follower, printed);
    assert_eq!(attempts_and_ends(&server).await, (1, 1), "attempts and ends");
}
