//! `hut builds show`, `artifacts`, `ssh`.

use crate::forge::{FAILS, Forge, HELLO, LONG, said};
use crate::on_both_databases;
use crate::server::{Engine, http};
use std::os::unix::fs::PermissionsExt;

on_both_databases! {
    srht_14_show_a_job
    srht_15_show_the_newest_own_job
    srht_16_show_a_job_by_its_address
    srht_17_show_a_failed_job
    srht_18_show_a_job_that_is_not_there
    srht_24_artifacts
    srht_34_ssh_into_a_running_job
    srht_35_ssh_into_a_queued_job
}

async fn srht_14_show_a_job(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &["-t", "a/b", "-n", "my note"]);
    let said = forge.hut(&["builds", "show", &id.to_string()]).succeeds();
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[0], format!("{}/~alice/job/{id}", forge.server.origin), "{said:?}");
    assert_eq!(lines[1], "", "{said:?}");
    assert!(lines[2].starts_with(&format!("#{id} - a/b: ")), "{said:?}");
    assert!(said.out.contains("my note") && lines[3..].iter().any(|line| line.contains('a')), "{said:?}");
}

async fn srht_15_show_the_newest_own_job(engine: Engine) {
    let forge = Forge::idle(engine).await;
    forge.submit(HELLO, &[]);
    let newest = forge.submit(HELLO, &[]);
    forge.hut_of_bob(&["builds", "submit", &forge.file("m.yml", HELLO)]).succeeds();
    let said = forge.hut(&["builds", "show"]).succeeds();
    assert!(said.out.starts_with(&format!("{}/~alice/job/{newest}\n", forge.server.origin)), "{said:?}");
}

async fn srht_16_show_a_job_by_its_address(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &["-n", "note"]);
    let by_id = forge.hut(&["builds", "show", &id.to_string()]).succeeds();
    let address = format!("{}/~alice/job/{id}", forge.server.origin);
    assert_eq!(forge.hut(&["builds", "show", &address]).succeeds().out, by_id.out);
}

async fn srht_17_show_a_failed_job(engine: Engine) {
    let forge = Forge::start(engine).await;
    let id = forge.submit(FAILS, &[]);
    forge.wait_for(id, "FAILED").await;
    let said = forge.hut(&["builds", "show", &id.to_string()]).succeeds();
    let log = said.out.split("two log:").nth(1).unwrap_or_else(|| panic!("{said:?}"));
    assert!(log.lines().any(|line| line == "reason"), "{said:?}");
}

async fn srht_18_show_a_job_that_is_not_there(engine: Engine) {
    let forge = Forge::idle(engine).await;
    forge.hut(&["builds", "show", "999999"]).fails("invalid job ID");
    assert!(!forge.server.words().contains("ERROR"), "{}", forge.server.words());
}

async fn srht_24_artifacts(engine: Engine) {
    let forge = Forge::start(engine).await;
    let manifest = "image: host\nartifacts: [out/bytes.bin]\ntasks:\n  - a: |\n      mkdir out\n      head -c 2048 /dev/urandom > out/bytes.bin\n      sha256sum < out/bytes.bin\n";
    let id = forge.submit(manifest, &[]);
    forge.wait_for(id, "SUCCESS").await;
    let said = forge.hut(&["builds", "artifacts", &id.to_string()]).succeeds();
    assert!(said.out.contains("bytes.bin") && said.out.contains("2.0 kB"), "{said:?}");
    let address = said.out.split_whitespace().find(|word| word.starts_with("http")).unwrap();
    let bytes = http().build().unwrap().get(address).bearer_auth(&forge.alice);
    let response = bytes.send().await.unwrap();
    assert_eq!(response.status(), 200, "{address}");
    let sum = sha256(&response.bytes().await.unwrap());
    assert!(forge.server.done(&["logs", &id.to_string()]).contains(&sum), "{sum}");
}

/// SHA-256 in hexadecimal, by another program than ours.
fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let said = said(child.wait_with_output().unwrap());
    said.out.split(' ').next().unwrap().to_string()
}

async fn srht_34_ssh_into_a_running_job(engine: Engine) {
    let forge = Forge::start(engine).await;
    let id = forge.submit(LONG, &[]);
    forge.wait_for_log(id, "begun").await;
    let ssh = forge.file("bin/ssh", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", forge.server.home().join("bin").display(), std::env::var("PATH").unwrap());
    let id = id.to_string();
    let said = said(forge.command(&forge.alice, &["builds", "ssh", &id]).env("PATH", path).output().unwrap());
    let said = said.succeeds();
    let words: Vec<&str> = said.out.lines().collect();
    assert_eq!((words[0], words[2], words[3]), ("-t", "connect", id.as_str()), "{said:?}");
    let (user, host) = words[1].split_once('@').unwrap();
    assert!(user == "builds" && !host.is_empty() && !host.contains(':'), "{said:?}");
    forge.hut(&["builds", "cancel", &id]).succeeds();
}

async fn srht_35_ssh_into_a_queued_job(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &[]);
    forge.hut(&["builds", "ssh", &id.to_string()]).fails("job has no runner assigned yet");
}
