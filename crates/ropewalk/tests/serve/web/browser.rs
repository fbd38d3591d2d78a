//! The pages in a real browser. `tests/browser/check.mjs` says what is looked at.

use super::visitor::Visitor;
use crate::server::{Engine, Server};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FAILED: &str = "image: host\ntasks:\n  - build: |\n      printf '\\033[1;32m   Compiling\\033[0m slug v0.9.2\\n'\n      printf '\\033[33mwarning\\033[0m: unused variable\\n'\n      for n in $(seq 30); do printf '\\033[1;32m   Compiling\\033[0m part_%s v1.0\\n' $n; done 2>&1 | grep -v '^+'\n  - test: |\n      set +x\n      for n in $(seq 40); do printf 'test case_%s ... \\033[32mok\\033[0m\\n' $n; done\n      printf 'test parse::trailing_comma ... \\033[31mFAILED\\033[0m\\n'\n      printf '\\033[41;97m panicked \\033[0m at \\033[38;5;208msrc/parse.rs\\033[0m:488:9: \\033]8;;https://example.org/x\\033\\\\left == right\\033]8;;\\033\\\\\\n'\n      exit 101\n  - deploy: echo never\n";
const PASSED: &str = "image: host\nartifacts: [out.txt]\ntasks:\n  - write: echo made > ~/out.txt\n  - folds: |\n      seq 100 130\n      true\n      seq 5\n      echo last\n";
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

/// A job of so many steps, held back, with names, words and addresses that fit into no line.
async fn submit_held(visitor: &Visitor, steps: usize) -> i64 {
    let long = "abcdefghij".repeat(20);
    let steps: String = (0..steps).map(|n| format!("- s{n}: x\n")).collect();
    let manifest = format!(
        "image: host\nsources:\n- https://example.org/{long}.git#{}\ntasks:\n{steps}",
        "0".repeat(40)
    );
    let note = format!("Merge branch of https://example.org/{long}?x={long}");
    let tags = format!("{long}/a branch with many words in it/{long}");
    let fields = [("manifest", manifest.as_str()), ("note", &note), ("tags", &tags), ("go", "later")];
    let made = visitor.submit("/submit", "/submit", &fields).await;
    assert_eq!(made.status, 303, "{}", made.text);
    made.header("location").rsplit('/').next().unwrap().parse().unwrap()
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
    let ann = Visitor::newcomer(&server, "ann").await;
    let (long, large) = (submit_held(&ann, 3).await, submit_held(&ann, 1000).await);
    let text = std::fs::read_to_string(server.data().join("first-run.txt")).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
    let jobs = serde_json::json!({ "failed": failed, "passed": passed, "running": running, "long": long, "large": large });
    let mut command = Command::new("node");
    command.arg(root().join("tests/browser/check.mjs"));
    command
        .env("MODULES", modules())
        .env("ORIGIN", &server.origin)
        .env("PASSWORD", password)
        .env("JOBS", jobs.to_string());
    command.env("SHOTS", std::env::var_os("ROPEWALK_SHOTS").unwrap_or_default());
    let output = command.output().unwrap();
    let words = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (said, cried) = (words(output.stdout), words(output.stderr));
    assert!(output.status.success(), "{said}\n{cried}");
    println!("{said}");
}
