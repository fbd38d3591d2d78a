//! Servers that are killed in the middle of evaluations and builds, builds that are cancelled, and a server that owns
//! nothing.

use super::builds::World;
use super::{Farm, on_both_engines};
use crate::server::{Engine, NOBODY, Server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

on_both_engines! {
    hydra_69_evaluations_and_builds_outlive_a_killed_server
    hydra_52_a_cancelled_build_is_asked_to_end_and_leaves_no_process
    hydra_70_a_server_that_owns_nothing_evaluates_and_builds
}

/// An evaluation that takes seconds, and two builds one after the other that count to 30, each with its own word.
const SLOW: &str = r#"
{ src ? null }:
let
  sh = name: script: derivation {
    inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
  };
  numbers = builtins.genList (x: x) 1000;
  sum = builtins.foldl' (all: _: all + builtins.foldl' (a: b: a + b) 0 numbers) 0 (builtins.genList (x: x) 40000);
  count = word: "i=1; while [ $i -le 30 ]; do echo ${word} $i; sleep 0.1; i=$((i+1)); done";
in rec {
  first = sh "first-${toString sum}" "${count "first"}; echo made > $out";
  second = sh "second-1.0" "${count "second"}; cat ${first} > $out";
}
"#;

/// Lines of a build's log that begin with this word.
async fn lines(world: &World, word: &str, build: i64) -> Vec<String> {
    let raw = world.get(&format!("/build/{build}/log/raw")).await;
    let Some(address) = raw.header("location").strip_prefix(world.farm.origin()) else { return vec![] };
    let log = world.get(address).await;
    let text = if log.status == 200 { log.text() } else { String::new() };
    text.lines().filter(|line| line.starts_with(word)).map(String::from).collect()
}

/// The newest build of a job, finished or not.
async fn newest(world: &World, job: &str) -> Option<Value> {
    let evaluation = world.get("/jobset/p/j/evals").await.data()["evals"][0]["id"].as_i64()?;
    let builds = world.get(&format!("/eval/{evaluation}/builds")).await.data();
    builds.as_array().unwrap().iter().find(|build| build["job"] == job).cloned()
}

async fn until_logged(world: &World, job: &str, line: &str) {
    let is_there = async || match newest(world, job).await {
        Some(build) => lines(world, line, build["id"].as_i64().unwrap()).await.len() == 1,
        None => false,
    };
    world.until("the build's log", is_there).await;
}

/// What runs the server's evaluations and builds.
fn supervisors(world: &World) -> Vec<Pid> {
    let data = world.farm.server.data();
    processes(|line| {
        line.get(1).is_some_and(|word| word == "supervise")
            && line.get(2).is_some_and(|spool| Path::new(spool).starts_with(&data))
    })
}

async fn number(world: &World, sql: &str) -> i64 {
    world.farm.server.number(&format!("SELECT count(*) AS n FROM {sql}")).await
}

async fn hydra_69_evaluations_and_builds_outlive_a_killed_server(engine: Engine) {
    let mut world = World::begin(Farm::start_with(engine, &[], &[]).await, SLOW, None).await;

    // In the middle of an evaluation, which goes on without the server.
    let running = "jobs WHERE kind = 'hydra-evaluation' AND status = 'running'";
    let is_running = async || number(&world, running).await == 1 && !supervisors(&world).is_empty();
    world.until("a running evaluation", is_running).await;
    world.farm.server.kill();
    // It forks what holds its cells.
    assert!(!supervisors(&world).is_empty(), "it had ended before the server was killed");
    world.farm.server.start_again();

    // In the middle of a build.
    until_logged(&world, "first", "first 5").await;
    let build = newest(&world, "first").await.unwrap();
    assert_eq!((&build["finished"], &build["buildstatus"]), (&json!(0), &json!(null)));
    assert!(build["starttime"].is_i64(), "it runs: {build}");
    world.farm.server.kill();
    world.farm.server.start_again();

    // And with what runs the build killed too: it is tried again.
    until_logged(&world, "second", "second 5").await;
    world.farm.server.kill();
    let supervisors = supervisors(&world);
    assert!(!supervisors.is_empty(), "it had ended before the server was killed");
    for supervisor in supervisors {
        // One may go with another.
        let _ = kill_process(supervisor, Signal::KILL);
    }
    world.farm.server.start_again();
    world.until("an empty queue", async || world.get("/api/nrqueue").await.data() == json!(0)).await;
    world.until("the ends of builds", async || world.overview().await["nrscheduled"] == json!(0)).await;

    for (job, tries) in [("first", 1), ("second", 2)] {
        let build = newest(&world, job).await.unwrap();
        assert_eq!((&build["finished"], &build["buildstatus"]), (&json!(1), &json!(0)), "{build}");
        let seen = lines(&world, job, build["id"].as_i64().unwrap()).await;
        let whole: Vec<String> = (1..=30).map(|number| format!("{job} {number}")).collect();
        assert!(seen.ends_with(&whole), "{seen:?}");
        assert_eq!(seen.len() > whole.len(), tries > 1, "{seen:?}");
    }
    // One evaluation, no build busy, and nothing tried twice but what was lost.
    let overview = world.overview().await;
    assert_eq!((&overview["starttime"], &overview["nrsucceeded"]), (&json!(null), &json!(2)), "{overview}");
    assert_eq!(world.get("/status").await.data(), json!([]));
    assert_eq!(world.get("/jobset/p/j/evals").await.data()["evals"].as_array().unwrap().len(), 1);
    let lost = "attempts WHERE cause = 'runner-lost'";
    assert_eq!((number(&world, "attempts").await, number(&world, lost).await), (4, 1));
    assert_eq!(number(&world, "leases").await, 0);
}

/// Notes whether it is asked to end, and how the real one did.
const NIX_STORE: &str = r#"#!/bin/sh
case "$*" in *--realise*) ;; *) exec REAL "$@" ;; esac
REAL "$@" &
real=$!
trap 'echo asked >>NOTES; kill -TERM $real' TERM
wait $real
code=$?
if [ $code -gt 128 ]; then wait $real; code=$?; fi
echo "ended $code" >>NOTES
exit $code
"#;

async fn hydra_52_a_cancelled_build_is_asked_to_end_and_leaves_no_process(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let (programs, notes) = (folder.path().join("programs"), folder.path().join("notes"));
    std::fs::create_dir(&programs).unwrap();
    let real = |name: &str| {
        let path = std::env::var_os("PATH").unwrap();
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.exists()).unwrap()
    };
    for name in ["nix", "nix-instantiate"] {
        symlink(real(name), programs.join(name)).unwrap();
    }
    let script = NIX_STORE.replace("REAL", real("nix-store").to_str().unwrap());
    let script = script.replace("NOTES", notes.to_str().unwrap());
    std::fs::write(programs.join("nix-store"), script).unwrap();
    std::fs::set_permissions(programs.join("nix-store"), PermissionsExt::from_mode(0o755)).unwrap();
    let mark = format!("86400.{}7{}", std::process::id(), engine as u8);
    let release = r#"{ src ? null }: { sleeper = derivation {
      name = "sleeper"; system = "x86_64-linux"; builder = "/bin/sh";
      args = [ "-c" "trap '' TERM; sleep MARK & sleep MARK" ];
    }; }"#;
    let variables = [("ROPEWALK_NIX__PROGRAM", programs.to_str().unwrap())];
    let farm = Farm::start_with(engine, &[], &variables).await;
    let world = World::begin(farm, &release.replace("MARK", &mark), None).await;
    let left = || processes(|line| line.last().is_some_and(|last| *last == mark));
    world.until("the build's processes", async || left().len() == 2).await;
    let build = newest(&world, "sleeper").await.unwrap()["id"].clone();

    let asked = Instant::now();
    let cancelled = world.farm.ask(&world.farm.alice, "POST", &format!("/build/{build}/cancel")).await;
    assert_eq!(cancelled.status, 302, "{}", cancelled.text());
    world.until("the end of its processes", async || left().is_empty()).await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let shown = async || world.get(&format!("/build/{build}")).await.data();
    world.until("its end", async || shown().await["finished"] == json!(1)).await;
    assert_eq!(shown().await["buildstatus"], json!(4));
    let notes = std::fs::read_to_string(&notes).unwrap_or_default();
    assert!(notes.starts_with("asked\nended "), "it was killed before it was asked to end: {notes:?}");
    world.until("the end of what ran it", async || supervisors(&world).is_empty()).await;
}

async fn hydra_70_a_server_that_owns_nothing_evaluates_and_builds(engine: Engine) {
    if !rustix::process::getuid().is_root() {
        return println!("NOT RUN here: a server as nobody: the tests run as an ordinary account");
    }
    let variables = [
        ("ROPEWALK_LIMITS__LOGINS", "1000"),
        ("ROPEWALK_LIMITS__LOG_STEP", "20000"),
        ("ROPEWALK_NIX__UNSUPPORTED_AFTER", "3"),
    ];
    let server = Server::start_as_nobody(engine, &variables).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert!(status.contains("\nUid:\t65534\t65534\t65534\t65534\n"), "{status}");
    let fixture = include_str!("../../../../ropewalk-runner/tests/nix/fixture/release.nix");
    let world = World::begin(Farm::of(server).await, fixture, Some(NOBODY)).await;

    // Row 32.
    world.until("the evaluation", async || newest(&world, "success").await.is_some()).await;
    let errors = world.get("/jobset/p/j").await.data()["errormsg"].as_str().unwrap().to_string();
    for job in ["abortError", "assertError", "evalError", "missingAttr", "typeError"] {
        assert!(errors.contains(&format!("in job ‘{job}’")), "{job}: {errors}");
    }
    assert!(!errors.contains("in job ‘notADrv’"), "{errors}");

    // Row 36.
    world.until("the ends of builds", async || world.overview().await["nrscheduled"] == json!(0)).await;
    let evaluation = world.evaluation().await["id"].clone();
    let builds = world.get(&format!("/eval/{evaluation}/builds")).await.data();
    let statuses: BTreeMap<&str, i64> = builds
        .as_array()
        .unwrap()
        .iter()
        .map(|build| (build["job"].as_str().unwrap(), build["buildstatus"].as_i64().unwrap()))
        .collect();
    assert!(statuses.len() >= 20, "{statuses:?}");
    let failed = statuses.iter().filter(|(_, status)| **status != 0).map(|(job, status)| (*job, *status));
    let expected = [
        ("bigLog", 10),
        ("depFailure", 2),
        ("failedFlag", 6),
        ("failure", 1),
        ("silent", 7),
        ("timeout", 7),
        ("wrongSystem", 9),
    ];
    assert_eq!(failed.collect::<Vec<_>>(), expected);
    let product = newest(&world, "product").await.unwrap();
    let path = PathBuf::from(product["buildoutputs"]["out"]["path"].as_str().unwrap());
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&path.metadata().unwrap()), NOBODY);
}

/// Processes of this machine with such a command line.
fn processes(is_wanted: impl Fn(&[String]) -> bool) -> Vec<Pid> {
    let mut found = vec![];
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        if is_wanted(&words) {
            found.extend(Pid::from_raw(pid));
        }
    }
    found
}
