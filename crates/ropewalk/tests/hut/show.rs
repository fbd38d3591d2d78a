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
    srht_25_an_artifact_of_long_ago
    srht_34_ssh_into_a_running_job
    srht_35_ssh_into_a_queued_job
}

async fn srht_14_show_a_job(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &["-t", "a/b", "-n", "my note"]);
    let said = forge.hut(&["builds", "show", &id.to_string()]).succeeds();
    let lines: Vec<&str> = said.out.trim_end().lines().map(str::trim).collect();
    let (address, status) =
        (format!("{}/~alice/job/{id}", forge.server.origin), format!("#{id} - a/b: ○ QUEUED"));
    assert_eq!(lines, [&address, "", &status, "○ a", "", "my note"], "{said:?}");
}

async fn srht_15_show_the_newest_own_job(engine: Engine) {
    let forge = Forge::idle(engine).await;
    forge.submit(HELLO, &[]);
    let newest = forge.submit(HELLO, &[]);
    let path = forge.file("m.yml", HELLO);
    let of_bob = forge.hut_of_bob(&["builds", "submit", "-v", "public", &path]).succeeds();
    assert!(forge.job_of(of_bob.out.trim_end(), "bob") > newest, "{of_bob:?}");
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
    let (_, log) = said.out.split_once("\ntwo log:\n").unwrap_or_else(|| panic!("{said:?}"));
    let stored = forge.log(id, "two").await.text;
    assert!(stored.lines().any(|line| line == "reason"), "{stored}");
    assert_eq!(log.replace('\r', "").trim_end(), stored.trim_end());
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
    let words: Vec<&str> = said.out.split_whitespace().collect();
    let [name, size, unit, address] = words[..] else { panic!("{said:?}") };
    assert_eq!((name, size, unit), ("bytes.bin", "2.0", "kB"), "{said:?}");
    let bytes = http().build().unwrap().get(address).bearer_auth(&forge.alice);
    let response = bytes.send().await.unwrap();
    assert_eq!(response.status(), 200, "{address}");
    let sum = sha256(&response.bytes().await.unwrap());
    assert!(forge.server.done(&["logs", &id.to_string()]).contains(&sum), "{sum}");
}

async fn srht_25_an_artifact_of_long_ago(engine: Engine) {
    let mut forge = Forge::start(engine).await;
    let id = forge.submit("image: host\nartifacts: [f]\ntasks:\n  - a: echo x > f\n", &[]);
    forge.wait_for(id, "SUCCESS").await;
    // Within the 90 days it is there, a day later no more.
    for (days, pruned) in [(89, false), (91, true)] {
        forge.server.terminate();
        forge.server.age_artifacts(days).await;
        forge.server.start_again();
        let url = forge.job(id).await["artifacts"][0]["url"].clone();
        assert_eq!(url.is_null(), pruned, "after {days} days: {url}");
        let said = forge.hut(&["builds", "artifacts", &id.to_string()]).succeeds();
        let words: Vec<&str> = said.out.split_whitespace().collect();
        assert_eq!(words[..3], ["f", "2", "B"], "{said:?}");
        assert_eq!(words[3..].join(" ") == "(pruned after 90 days)", pruned, "{said:?}");
    }
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
    let runner = forge.job(id).await["runner"].as_str().unwrap().to_string();
    let id = id.to_string();
    let said = said(forge.command(&forge.alice, &["builds", "ssh", &id]).env("PATH", path).output().unwrap());
    let said = said.succeeds();
    assert!(!runner.is_empty() && !runner.contains(':'), "{runner}");
    let words: Vec<&str> = said.out.lines().collect();
    assert_eq!(words, ["-t", &format!("builds@{runner}"), "connect", &id], "{said:?}");
    forge.hut(&["builds", "cancel", &id]).succeeds();
}

async fn srht_35_ssh_into_a_queued_job(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &[]);
    forge.hut(&["builds", "ssh", &id.to_string()]).fails("job has no runner assigned yet");
}
