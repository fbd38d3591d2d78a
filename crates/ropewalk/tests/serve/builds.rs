//! Manifests through the farm: submit, follow, fail, cancel, artifacts.

use crate::server::{Engine, Server};
use std::process::Stdio;

const TWO_STEPS: &str = "image: host\ntasks:\n  - one: |\n      printf 'bytes \\377 and \\303\\244\\n'\n  - two: |\n      echo \"job $JOB_ID\"\n";

async fn follow_until_success(engine: Engine) {
    let server = Server::start(engine).await;
    let output = server.run(&["submit", "--follow", &server.manifest(TWO_STEPS)]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = output.stdout;
    let at = |needle: &[u8]| printed.windows(needle.len()).position(|window| window == needle);
    let first = at(b"bytes \xff and \xc3\xa4").expect("the bytes of the first step, unchanged");
    let second = at(b"job 1").expect("the output of the second step");
    let mark = at(b"Running task two").expect("the mark of the second step");
    assert!(first < mark && mark < second, "{}", String::from_utf8_lossy(&printed));
    // What was followed is what is kept.
    let one = server.run(&["logs", "1", "one"]).stdout;
    assert!(one.ends_with(b"bytes \xff and \xc3\xa4\n") || one.ends_with(b"bytes \xff and \xc3\xa4\r\n"));
    let all = server.run(&["logs", "1"]).stdout;
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort();
        bytes
    };
    assert_eq!(sorted(&all), sorted(&printed));
    let shown = server.json(&["show", "--json", "1"]);
    assert_eq!((&shown["status"], &shown["steps"][1]["status"]), (&"success".into(), &"success".into()));
}

#[tokio::test]
async fn a_followed_job_prints_its_bytes_and_succeeds_on_sqlite() {
    follow_until_success(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_followed_job_prints_its_bytes_and_succeeds_on_postgresql() {
    follow_until_success(Engine::Postgres).await;
}

#[tokio::test]
async fn a_failing_job_exits_1_and_says_why() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = server.manifest("image: host\ntasks:\n  - a: exit 3\n  - b: echo never\n");
    let output = server.run(&["submit", "-f", &manifest]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("FAILED (step-failed)"));
    let job = server.json(&["show", "--json", "1"]);
    assert_eq!((&job["status"], &job["cause"]), (&"failed".into(), &"step-failed".into()));
    assert_eq!((&job["steps"][0]["exit"], &job["steps"][1]["status"]), (&3.into(), &"pending".into()));
    assert_eq!(server.run(&["logs", "1", "--follow"]).status.code(), Some(1));
    let list = server.json(&["list", "--json"]);
    assert_eq!((list.as_array().unwrap().len(), &list[0]["id"]), (1, &1.into()));
}

#[tokio::test]
async fn a_running_job_is_cancelled_and_its_follower_is_told() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = server.manifest("image: host\ntasks:\n  - a: |\n      echo begun\n      sleep 600\n");
    let follower = server.command(&["submit", "--follow", &manifest]).stdout(Stdio::piped()).spawn().unwrap();
    server.wait_for_first_job("running");
    server.wait_for_log(1, "begun");
    server.done(&["cancel", "1"]);
    let followed = follower.wait_with_output().unwrap();
    assert_eq!(followed.status.code(), Some(1));
    let job = server.wait_for(1, "cancelled");
    assert_eq!((&job["cause"], &job["steps"][0]["status"]), (&"cancelled".into(), &"failed".into()));
    // What has ended cannot be cancelled again.
    assert_eq!(server.run(&["cancel", "1"]).status.code(), Some(1));
}

#[tokio::test]
async fn a_queued_job_says_why_it_waits_and_is_cancelled_at_once() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let job = server.submit("image: host\ntasks:\n  - a: 'true'\n");
    let shown = server.json(&["show", "--json", &job.to_string()]);
    assert_eq!((&shown["status"], &shown["waiting"]["reason"]), (&"queued".into(), &"no-runner".into()));
    let token = server.token();
    let (status, queue) = server.client().get("/api/n1/queue", Some(&token)).await;
    assert_eq!((status, &queue["items"][0]["waiting"]["reason"]), (200, &"no-runner".into()));
    server.done(&["cancel", &job.to_string()]);
    assert_eq!(server.json(&["show", "--json", &job.to_string()])["status"], "cancelled");
}

#[tokio::test]
async fn artifacts_are_downloads_that_no_browser_runs() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = "image: host\nartifacts: [out/page.html, empty]\ntasks:\n  - a: |\n      mkdir out\n      printf '<script>alert(1)</script>' > out/page.html\n      touch empty\n";
    assert!(server.run(&["submit", "--follow", &server.manifest(manifest)]).status.success());
    let (_, artifacts) = server.client().get("/api/n1/jobs/1/artifacts", None).await;
    let number = |path: &str| {
        let found = artifacts.as_array().unwrap().iter().find(|artifact| artifact["path"] == path);
        found.unwrap_or_else(|| panic!("{path} in {artifacts}"))["id"].as_i64().unwrap()
    };
    let address = format!("/api/n1/jobs/1/artifacts/{}", number("out/page.html"));
    let response =
        server.client().request("GET", &address, None).header("range", "bytes=1-6").send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_string();
    assert_eq!(response.status(), 206);
    assert_eq!(header("content-range"), "bytes 1-6/25");
    assert!(header("content-disposition").starts_with("attachment; filename=\"page.html\""));
    assert!(header("content-security-policy").starts_with("sandbox"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(response.bytes().await.unwrap(), "script");
    let folder = server.home().join("files");
    server.done(&["artifacts", "1", "--output", folder.to_str().unwrap()]);
    assert_eq!(std::fs::read(folder.join("page.html")).unwrap(), b"<script>alert(1)</script>");
    assert_eq!(std::fs::read(folder.join("empty")).unwrap(), b"");
    // What is there is not replaced.
    assert_eq!(server.run(&["artifacts", "1", "--output", folder.to_str().unwrap()]).status.code(), Some(1));
    assert_eq!(server.json(&["artifacts", "1", "--json"]), artifacts);
    let address = format!("/api/n1/jobs/1/artifacts/{}", number("empty"));
    let response = server.client().request("GET", &address, None).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.bytes().await.unwrap().len()), (200, 0));
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_says_where() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    let output = server.run(&["submit", &server.manifest("image: host\ntasks:\n  - BAD NAME: x\n")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 3"), "{output:?}");
    let body = serde_json::json!({ "manifest": "image: host\ntasks: 5\n" });
    let (status, refusal) = server.client().send("POST", "/api/n1/jobs", Some(&server.token()), body).await;
    assert_eq!(
        (status, &refusal["field"], &refusal["problems"][0]["line"]),
        (400, &"manifest".into(), &2.into())
    );
}

impl Server {
    /// Waits until a job printed something.
    fn wait_for_log(&self, job: i64, words: &str) {
        let deadline = std::time::Instant::now() + crate::server::PATIENCE;
        while !self.done(&["logs", &job.to_string()]).lines().any(|line| line == words) {
            assert!(std::time::Instant::now() < deadline, "job {job} did not print {words:?}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Waits until the first job is there and in a status.
    fn wait_for_first_job(&self, status: &str) {
        let deadline = std::time::Instant::now() + crate::server::PATIENCE;
        while self.json(&["list", "--json"]).as_array().unwrap().is_empty() {
            assert!(std::time::Instant::now() < deadline, "no job was submitted");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        self.wait_for(1, status);
    }
}
