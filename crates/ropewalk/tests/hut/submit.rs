//! `hut builds submit`.

use crate::forge::{FAILS, Forge, HELLO, LONG, said};
use crate::on_both_databases;
use crate::server::{Engine, Server};
use serde_json::{Value, json};

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
    assert_eq!(jobs.len(), 2, "{said:?}");
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
    for name in ["w/.build.yml", "w/.builds/one.yml", "w/.builds/two.yaml", "w/.builds/other.txt"] {
        forge.file(name, HELLO);
    }
    let folder = forge.server.home().join("w");
    let said = said(forge.command(&forge.alice, &["builds", "submit"]).current_dir(folder).output().unwrap());
    let said = said.succeeds();
    assert_eq!(said.out.lines().count(), forge.count().await, "{said:?}");
    // hut takes the one file before the folder of files, or all of them, as its version does.
    assert!([1, 3].contains(&said.out.lines().count()), "{said:?}");
    std::fs::remove_file(forge.server.home().join("w/.build.yml")).unwrap();
    let folder = forge.server.home().join("w");
    let two = crate::forge::said(
        forge.command(&forge.alice, &["builds", "submit"]).current_dir(folder).output().unwrap(),
    );
    assert_eq!(two.succeeds().out.lines().count(), 2);
}

async fn srht_6_follow_a_success(engine: Engine) {
    let forge = Forge::start(engine).await;
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", HELLO)]).succeeds();
    assert_eq!(said.out.matches("Opening image host").count(), 1, "{said:?}");
    assert_eq!(said.out.lines().filter(|line| *line == "hi").count(), 1, "{said:?}");
    assert!(said.out.trim_end().ends_with("SUCCESS"), "{said:?}");
    assert!(said.out.contains('✔'), "{said:?}");
}

async fn srht_7_follow_a_failure(engine: Engine) {
    let forge = Forge::start(engine).await;
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", FAILS)]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("✗ FAILED") || said.out.contains("FAILED"), "{said:?}");
    assert_eq!(said.out.lines().filter(|line| *line == "reason").count(), 1, "{said:?}");
}

async fn srht_8_follow_a_silent_task(engine: Engine) {
    let forge = Forge::start(engine).await;
    let manifest = "image: host\ntasks:\n  - a: |\n      set +x\n      sleep 5\n      echo later\n";
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", manifest)]).succeeds();
    assert_eq!(said.out.lines().filter(|line| *line == "later").count(), 1, "{said:?}");
}

async fn srht_9_follow_a_job_that_is_cancelled(engine: Engine) {
    let forge = Forge::start(engine).await;
    let follower = forge.start_hut(&["builds", "submit", "-f", &forge.file("m.yml", LONG)]);
    forge.until("the job", async || (forge.count().await == 1).then_some(())).await;
    forge.wait_for_log(1, "begun").await;
    forge.hut(&["builds", "cancel", "1"]).succeeds();
    let said = said(follower.wait_with_output().unwrap());
    assert!(said.code == 1 && said.out.contains("CANCELLED"), "{said:?}");
}

async fn srht_10_follow_a_job_that_takes_too_long(engine: Engine) {
    let forge = Forge::with(Server::start_on(engine, &[], &[("ROPEWALK_LIMITS__BUILD_TIME", "3")]).await);
    let said = forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", LONG)]);
    assert!(said.code == 1 && said.out.contains("TIMEOUT"), "{said:?}");
}

async fn srht_11_submit_what_is_no_manifest(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let long = format!("image: host\ntasks:\n  - {}: echo\n", "a".repeat(129));
    let all = [
        "image: [\n",
        "tasks:\n  - a: echo\n",
        "image: host\n",
        "image: host\ntasks:\n  - a: echo\n  - a: echo\n",
        "image: host\ntasks:\n  - Foo: echo\n",
        &long,
        "image: host\ntasks:\n  - a: echo\n    b: echo\n",
    ];
    for manifest in all {
        let said = forge.hut(&["builds", "submit", &forge.file("m.yml", manifest)]).fails("");
        assert!(said.out.is_empty() && !said.errors.trim().is_empty(), "{manifest:?}: {said:?}");
        assert!(!said.errors.contains("500"), "{manifest:?}: {said:?}");
    }
    assert_eq!(forge.count().await, 0);
}

async fn srht_13_submit_a_shell_without_tasks(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit("image: host\nshell: true\n", &[]);
    assert_eq!(forge.job(id).await["tasks"], json!([]));
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
