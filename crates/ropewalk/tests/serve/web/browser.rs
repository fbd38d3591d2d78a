//! The pages in a real browser. `tests/browser/check.mjs` says what is looked at.

use super::visitor::Visitor;
use crate::server::{Engine, Server};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FAILED: &str = "image: host\ntasks:\n  - build: |\n      printf '\\033[1;32m   Compiling\\033[0m slug v0.9.2\\n'\n      printf '\\033[33mwarning\\033[0m: unused variable\\n'\n      for n in $(seq 30); do printf '\\033[1;32m   Compiling\\033[0m part_%s v1.0\\n' $n; done 2>&1 | grep -v '^+'\n  - test: |\n      set +x\n      for n in $(seq 40); do printf 'test case_%s ... \\033[32mok\\033[0m\\n' $n; done\n      printf 'test parse::trailing_comma ... \\033[31mFAILED\\033[0m\\n'\n      printf '\\033[41;97m panicked \\033[0m at \\033[38;5;208msrc/parse.rs\\033[0m:488:9: \\033]8;;https://example.org/x\\033\\\\left == right\\033]8;;\\033\\\\\\n'\n      exit 101\n  - deploy: echo never\n";
const PASSED: &str = "image: host\nartifacts: [out.txt]\ntasks:\n  - write: echo made > ~/out.txt\n";
const RUNNING: &str = "image: host\ntasks:\n  - ticks: |\n      set +x\n      for n in $(seq 6000); do printf '\\033[32mtick\\033[0m %s\\n' $n; sleep 0.3; done\n";

/// What `scripts/packages.sh test` installs.
fn modules() -> PathBuf {
    root().join("target/browser/node_modules")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is missing on this machine.
fn missing() -> Option<&'static str> {
    let has = |program: &str, argument: &str| {
        let mut command = Command::new(program);
        command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    match () {
        () if !has("node", "--version") => Some("node is missing: run scripts/packages.sh test"),
        () if !has("chromium", "--version") => Some("chromium is missing: run scripts/packages.sh test"),
        () if !modules().join("playwright-core").exists() => {
            Some("playwright-core is missing: run scripts/packages.sh test")
        }
        () => None,
    }
}

fn submit(server: &Server, manifest: &str, tags: &str, note: &str) -> i64 {
    let path = server.manifest(manifest);
    let arguments = ["submit", "--json", "--visibility", "public", "--tags", tags, "--note", note, &path];
    server.json(&arguments)["id"].as_i64().unwrap()
}

#[tokio::test]
async fn every_page_can_be_used_by_everybody() {
    if let Some(why) = missing() {
        println!("NOT RUN here: the pages in a browser: {why}");
        return;
    }
    let server = Server::start(Engine::Sqlite).await;
    let failed = submit(&server, FAILED, "slug/main", "Parser: accept *trailing* commas");
    server.wait_for(failed, "failed");
    let passed = submit(&server, PASSED, "tern/main", "Folder list: keep the selection");
    server.wait_for(passed, "success");
    let running = submit(&server, RUNNING, "wren/nightly", "Soak test");
    server.wait_for(running, "running");
    let text = std::fs::read_to_string(server.data().join("first-run.txt")).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
    // Pages that were looked at without script are there with a session, too.
    assert!(Visitor::admin(&server).await.get("/").await.text.contains("Log out"));
    let jobs = serde_json::json!({ "failed": failed, "passed": passed, "running": running }).to_string();
    let mut command = Command::new("node");
    command.arg(root().join("tests/browser/check.mjs"));
    command
        .env("MODULES", modules())
        .env("ORIGIN", &server.origin)
        .env("PASSWORD", password)
        .env("JOBS", jobs);
    command.env("SHOTS", std::env::var_os("ROPEWALK_SHOTS").unwrap_or_default());
    let output = command.output().unwrap();
    let words = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (said, cried) = (words(output.stdout), words(output.stderr));
    assert!(output.status.success(), "{said}\n{cried}");
}
