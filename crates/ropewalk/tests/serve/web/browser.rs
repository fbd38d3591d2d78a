//! The pages in a real browser. `tests/browser/check.mjs` says what is looked at.

use super::visitor::Visitor;
use crate::hydra::{self, builds::World};
use crate::server::{Engine, Server};
use crate::vieter::packages::{archive, package, zstd};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FAILED: &str = "image: host\ntasks:\n  - build: |\n      printf '\\033[1;32m   Compiling\\033[0m slug v0.9.2\\n'\n      printf '\\033[33mwarning\\033[0m: unused variable\\n'\n      for n in $(seq 30); do printf '\\033[1;32m   Compiling\\033[0m part_%s v1.0\\n' $n; done 2>&1 | grep -v '^+'\n  - test: |\n      set +x\n      for n in $(seq 40); do printf 'test case_%s ... \\033[32mok\\033[0m\\n' $n; done\n      printf 'test parse::trailing_comma ... \\033[31mFAILED\\033[0m\\n'\n      printf '\\033[41;97m panicked \\033[0m at \\033[38;5;208msrc/parse.rs\\033[0m:488:9: \\033]8;;https://example.org/x\\033\\\\left == right\\033]8;;\\033\\\\\\n'\n      exit 101\n  - deploy: echo never\n";
const PASSED: &str = "image: host\nartifacts: [out.txt]\ntasks:\n  - write: echo made > ~/out.txt\n  - folds: |\n      seq 100 130\n      true\n      seq 5\n      echo last\n";
const RUNNING: &str = "image: host\ntasks:\n  - ticks: |\n      set +x\n      for n in $(seq 6000); do printf '\\033[32mtick\\033[0m %s\\n' $n; sleep 0.3; done\n";

/// One that makes, measures and consists of something, one that fails, one that waits, one that cannot be evaluated; and
/// names that fit into no line.
const RELEASE: &str = r#"
{ src ? null }:
let
  sh = name: script: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ]; } // more);
in {
  disk = sh "disk-image-2.1" ''
    echo "making the image"; mkdir -p $out/nix-support $out/doc; echo data > $out/disk.iso; echo read > $out/doc/index.html
    echo "file iso $out/disk.iso" > $out/nix-support/hydra-build-products
    echo "doc manual $out/doc index.html" >> $out/nix-support/hydra-build-products
    echo disk-2.1pre7 > $out/nix-support/hydra-release-name
    printf 'coverage 87.5 %%\nsize 4096 B\n' > $out/nix-support/hydra-metrics
  '' {} // { meta = { description = "An image that boots"; homepage = "https://example.org/disk"; license = "MIT"; }; };
  tests.failing = sh "tests-failing-1.0" "echo 'assertion failed'; exit 1" {};
  LONG.LONG = sh "LONG" "echo > $out" {};
  release = sh "release-1" "echo > $out" { _hydraAggregate = true; constituents = [ "disk" "LONG.LONG" ]; };
  elsewhere = derivation { name = "elsewhere-1.0"; system = "aarch64-darwin"; builder = "/bin/sh"; };
  broken = throw "this job cannot be evaluated: LONG";
}
"#;

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

/// Fills the pages of jobsets, repositories and targets; answers addresses by the names of pages.
async fn farm_pages(world: &World, long: &str) -> Value {
    let (farm, server) = (&world.farm, &world.farm.server);
    let named = json!({ "displayname": format!("Things of {long}"), "description": format!("Made of {long}. ").repeat(3), "enabled": true, "visible": true, "homepage": "https://example.org/things" });
    assert_eq!(farm.put(&farm.bob, "/project/p", named).await.status, 200);
    farm.project("bare").await;
    let mut jobset = hydra::good_jobset();
    jobset["description"] = json!(format!("Nothing of {long} can be fetched"));
    jobset["checkinterval"] = json!(3600);
    let missing = format!("{}/none", server.data().display());
    jobset["inputs"]["src"] = json!({ "type": "path", "value": missing, "revision": null, "uri": null });
    assert_eq!(farm.jobset("p", "unreachable", jobset).await.status, 201);
    let failed = async || {
        let shown = farm.get("/jobset/p/unreachable").await.data();
        ["fetcherrormsg", "errormsg"]
            .iter()
            .any(|name| shown[name].as_str().is_some_and(|text| !text.is_empty()))
    };
    world.until("inputs that cannot be had", failed).await;

    let send = async |method: &str, path: &str, body: Vec<u8>| {
        let request = farm.request(method, path).header("X-Api-Key", server.token()).body(body);
        let answer = hydra::answer(request).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    };
    let info = format!(
        "pkgname = {long}\npkgver = 1:20261122.r12.gabcdef0-3\npkgdesc = {}\narch = x86_64\nsize = 5\nbuilddate = 1700000000\npackager = T\n",
        "Says what it does at some length. ".repeat(8)
    );
    let large = zstd(&archive(&[(".PKGINFO", info.as_bytes()), ("usr/share/x", &[7; 3_000_000])]));
    let ours = [
        package("hello", "1.0-1", "any"),
        package("libslug", "2.31.4-2", "x86_64"),
        package("hello-arm", "1.0-1", "aarch64"),
        large,
    ];
    for bytes in ours {
        send("POST", "/own/publish", bytes).await;
    }
    for (url, path) in [
        ("https://git.example.org/packages.git", "hello"),
        (&*format!("https://git.example.org/{long}/{long}.git"), long),
    ] {
        let target = format!(
            "/api/v1/targets?kind=git&url={url}&branch=main&repo=own&path={path}&arch=riscv64,aarch64"
        );
        send("POST", &target, vec![]).await;
    }
    send(
        "POST",
        "/api/v1/targets?kind=url&url=https://example.org/later/PKGBUILD&repo=later&arch=riscv64",
        vec![],
    )
    .await;
    for (exit, ends) in [(0, 1_790_000_000), (1, 1_790_000_300), (0, 1_790_000_600)] {
        let log = format!(
            "/api/v1/logs?target=1&startTime={}&endTime={ends}&arch=riscv64&exitCode={exit}",
            ends - 75
        );
        send("POST", &log, b"==> Making package: hello\n".to_vec()).await;
    }
    send("POST", "/api/v1/jobs/queue?target=1&arch=riscv64", vec![]).await;

    let of_queue = farm.get("/queue").await.data();
    let build = async |job: &str| format!("/build/{}", world.build(job).await);
    json!({
        "projects": "@/-/projects", "project": "/project/p", "project-bare": "/project/bare", "jobset": "/jobset/p/j",
        "jobset-unreachable": "/jobset/p/unreachable", "evals": "@/evals",
        "eval": format!("/eval/{}", world.evaluation().await["id"]), "build": build("disk").await,
        "build-failed": build("tests.failing").await, "build-waits": format!("/build/{}", of_queue[0]["id"]),
        "build-parts": build("release").await, "job": format!("@/job/p/j/{long}.{long}"), "search": "/search?query=j",
        "search-none": "@/search?query=nothing-of-this", "queue": "/queue", "status": "/status", "machines": "/machines",
        "repositories": "@/-/repositories", "repository": "/-/repositories/own", "repository-later": "/-/repositories/later",
        "targets": "/-/targets", "target": "/-/targets/1", "target-new": "/-/targets/3",
    })
}

#[tokio::test]
async fn every_page_can_be_used_by_everybody() {
    if let Some(why) = missing() {
        println!("NOT RUN here: the pages in a browser: {why}");
        return;
    }
    let long = "abcdefghij".repeat(6);
    let world = World::of(Engine::Sqlite, &RELEASE.replace("LONG", &long), 4).await;
    let empty = super::idle().await;
    let server = &world.farm.server;
    let farm = farm_pages(&world, &long).await;
    let failed = submit(server, FAILED, "slug/main", "Parser: accept *trailing* commas");
    server.wait_for(failed, "failed");
    let passed = submit(server, PASSED, "tern/main", "Folder list: keep the selection");
    server.wait_for(passed, "success");
    let running = submit(server, RUNNING, "wren/nightly", "Soak test");
    server.wait_for(running, "running");
    let ann = Visitor::newcomer(server, "ann").await;
    let (long, large) = (submit_held(&ann, 3).await, submit_held(&ann, 1000).await);
    let text = std::fs::read_to_string(server.data().join("first-run.txt")).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password ")).unwrap();
    let jobs =
        json!({ "failed": failed, "passed": passed, "running": running, "long": long, "large": large });
    let mut command = Command::new("node");
    command.arg(root().join("tests/browser/check.mjs"));
    command
        .env("MODULES", modules())
        .env("ORIGIN", &server.origin)
        .env("EMPTY", &empty.origin)
        .env("FARM", farm.to_string())
        .env("PASSWORD", password)
        .env("JOBS", jobs.to_string());
    command.env("SHOTS", std::env::var_os("ROPEWALK_SHOTS").unwrap_or_default());
    let output = command.output().unwrap();
    let words = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (said, cried) = (words(output.stdout), words(output.stderr));
    assert!(output.status.success(), "{said}\n{cried}");
    println!("{said}");
}
