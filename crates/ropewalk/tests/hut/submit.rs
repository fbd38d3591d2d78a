//! `hut builds submit`.

use crate::forge::{FAILS, Forge, HELLO, LONG, Log, Said, said};
use crate::on_both_databases;
use crate::server::{Engine, PATIENCE, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

on_both_databases! {
    srht_1_submit
    srht_2_submit_with_every_option
    srht_3_submit_two_manifests
    srht_4_submit_standard_input
    srht_5_submit_what_the_folder_has
    srht_6_follow_a_success
    srht_7_follow_a_failure
    srht_8_follow_a_silent_task
    srht_9_follow_a_job_that_is_cancelled
    srht_10_follow_a_job_that_takes_too_long
    srht_11_submit_what_is_no_manifest
    srht_13_submit_a_shell_without_tasks
    srht_49_submit_with_few_grants
}

async fn srht_1_submit(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let said = forge.hut(&["builds", "submit", &forge.file("m.yml", HELLO)]).succeeds();
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    let job = forge.job(forge.job_of(said.out.trim_end(), "alice")).await;
    assert_eq!((&job["visibility"], &job["tags"]), (&json!("UNLISTED"), &json!([])), "{job}");
    assert!(job["note"].is_null() || job["note"] == "", "{job}");
}

async fn srht_2_submit_with_every_option(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &["-t", "a/b", "-n", "N", "-v", "private", "-s"]);
    let job = forge.job(id).await;
    assert_eq!((&job["tags"], &job["note"]), (&json!(["a", "b"]), &json!("N")));
    assert_eq!((&job["visibility"], &job["secrets"]), (&json!("PRIVATE"), &Value::Null));
}

async fn srht_3_submit_two_manifests(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let (one, two) = (forge.file("m.yml", HELLO), forge.file("m2.yml", FAILS));
    let said = forge.hut(&["builds", "submit", &one, &two]).succeeds();
    let jobs: Vec<i64> = said.out.lines().map(|line| forge.job_of(line, "alice")).collect();
    assert_eq!((jobs.len(), forge.count().await), (2, 2), "{said:?}");
    assert_eq!(forge.job(jobs[0]).await["manifest"], HELLO);
    assert_eq!(forge.job(jobs[1]).await["manifest"], FAILS);
}

async fn srht_4_submit_standard_input(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let said = forge.hut_with_input(&["builds", "submit", "-"], HELLO).succeeds();
    let id = forge.job_of(said.out.trim_end(), "alice");
    assert_eq!(forge.job(id).await["manifest"], HELLO);
    assert_eq!(forge.count().await, 1);
}

async fn srht_5_submit_what_the_folder_has(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let manifest = |name: &str| format!("# {name}\n{HELLO}");
    let names = [".build.yml", ".build.yaml", ".builds/one.yml", ".builds/two.yaml"];
    for name in names.iter().chain(&[".builds/other.txt", "more.yml"]) {
        forge.file(&format!("w/{name}"), &manifest(name));
    }
    let folder = forge.server.home().join("w");
    let said = said(forge.command(&forge.alice, &["builds", "submit"]).current_dir(folder).output().unwrap());
    let mut found = vec![];
    for line in said.succeeds().out.lines() {
        let job = forge.job(forge.job_of(line, "alice")).await;
        found.push(job["manifest"].as_str().unwrap().to_string());
    }
    let mut expected = names.map(manifest).to_vec();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "one job for each file");
    assert_eq!(forge.count().await, names.len());
}

/// The lines that hut printed of a job that it followed: after the address, before the status.
fn followed<'a>(forge: &Forge, said: &'a Said, status: &str) -> Vec<&'a str> {
    let lines: Vec<&str> = said.out.lines().collect();
    let (Some((address, rest)), Some((last, _))) = (lines.split_first(), lines.split_last()) else {
        panic!("nothing printed: {said:?}");
    };
    forge.job_of(address, "alice");
    assert_eq!(*last, status, "{said:?}");
    rest[..rest.len() - 1].to_vec()
}

async fn srht_6_follow_a_success(engine: Engine) {
    let forge = Forge::start(engine).await;
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", HELLO)]).succeeds();
    let mut printed = followed(&forge, &said, "✔ SUCCESS");
    let logs = format!("{}{}", forge.log(1, "").await.text, forge.log(1, "a").await.text);
    let mut stored: Vec<&str> = logs.lines().collect();
    assert!(
        stored.contains(&"hi") && stored.iter().any(|line| line.ends_with("Opening image host")),
        "{logs}"
    );
    // Each line of both logs once; which log's comes first is hut's affair.
    printed.sort_unstable();
    stored.sort_unstable();
    assert_eq!(printed, stored);
}

async fn srht_7_follow_a_failure(engine: Engine) {
    let forge = Forge::start(engine).await;
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", FAILS)]).fails("");
    let printed = followed(&forge, &said, "✗ FAILED");
    assert_eq!(printed.iter().filter(|line| **line == "reason").count(), 1, "{said:?}");
}

async fn srht_8_follow_a_silent_task(engine: Engine) {
    // The task is silent until it is told to speak, over the machine's own loopback.
    let variables = [("ROPEWALK_SANDBOX__NETWORK", "host")];
    let forge = Forge::with(Server::start_on(engine, &[], &variables).await);
    let gate = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gate.local_addr().unwrap().port();
    // The shell would trace `set +x` itself.
    let manifest = format!(
        "image: host\ntasks:\n  - a: |\n      {{ set +x; }} 2>/dev/null\n      \
         read -r word </dev/tcp/127.0.0.1/{port}\n      echo \"$word\"\n"
    );
    let path = forge.file("m.yml", &manifest);
    let follower = forge.start_hut(&["--debug", "builds", "submit", "-f", &path]);
    let (mut task, _) = tokio::time::timeout(PATIENCE, gate.accept()).await.unwrap().unwrap();
    let silent = Instant::now();
    forge
        .until("five silent seconds", async || {
            let log = forge.log(1, "a").await;
            let empty = Log { status: 206, range: Some("bytes 0-0/0".into()), text: String::new() };
            assert_eq!(log, empty);
            (silent.elapsed() >= Duration::from_secs(5)).then_some(())
        })
        .await;
    task.write_all(b"later\n").await.unwrap();
    let said = said(follower.wait_with_output().unwrap()).succeeds();
    let printed = followed(&forge, &said, "✔ SUCCESS");
    assert_eq!(printed.iter().filter(|line| **line == "later").count(), 1, "{said:?}");
    assert_eq!(forge.log(1, "a").await.text, "later\n");
    // It asked again and again while there was nothing.
    assert!(said.errors.matches("query monitor").count() > 2, "{said:?}");
}

async fn srht_9_follow_a_job_that_is_cancelled(engine: Engine) {
    let forge = Forge::start(engine).await;
    let follower = forge.start_hut(&["builds", "submit", "-f", &forge.file("m.yml", LONG)]);
    forge.until("the job", async || (forge.count().await == 1).then_some(())).await;
    forge.wait_for_log(1, "begun").await;
    forge.hut(&["builds", "cancel", "1"]).succeeds();
    let said = said(follower.wait_with_output().unwrap()).fails("");
    followed(&forge, &said, "🛑 CANCELLED");
}

async fn srht_10_follow_a_job_that_takes_too_long(engine: Engine) {
    let forge = Forge::with(Server::start_on(engine, &[], &[("ROPEWALK_LIMITS__BUILD_TIME", "3")]).await);
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", LONG)]).fails("");
    followed(&forge, &said, "⏱️ TIMEOUT");
}

async fn srht_11_submit_what_is_no_manifest(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let long = format!("image: host\ntasks:\n  - {}: echo\n", "a".repeat(129));
    for (manifest, words) in [
        ("image: [\n", "not YAML"),
        ("tasks:\n  - a: echo\n", "image is required"),
        ("image: host\n", "list of tasks is required"),
        ("image: host\ntasks:\n  - a: echo\n  - a: echo\n", "duplicate task a"),
        ("image: host\ntasks:\n  - Foo: echo\n", "invalid task name"),
        (&long, "invalid task name"),
        ("image: host\ntasks:\n  - a: echo\n    b: echo\n", "exactly once"),
    ] {
        let said = forge.hut(&["builds", "submit", &forge.file("m.yml", manifest)]).fails(words);
        assert_eq!((said.out.as_str(), said.errors.lines().count()), ("", 1), "{manifest:?}: {said:?}");
    }
    assert_eq!(forge.count().await, 0);
}

async fn srht_13_submit_a_shell_without_tasks(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let manifest = "image: host\nshell: true\n";
    let job = forge.job(forge.submit(manifest, &[])).await;
    assert_eq!((&job["manifest"], &job["tasks"]), (&json!(manifest), &json!([])));
}

async fn srht_49_submit_with_few_grants(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let few = forge.token("builds.sr.ht/JOBS:RW builds.sr.ht/PROFILE:RO");
    let path = forge.file("m.yml", HELLO);
    let submit = |options: &[&str]| {
        let arguments = [&["builds", "submit", &path], options].concat();
        said(forge.command(&few, &arguments).output().unwrap())
    };
    submit(&[]).fails("SECRETS");
    assert_eq!(forge.count().await, 0);
    submit(&["-s"]).succeeds();
    assert_eq!(forge.count().await, 1);
}
