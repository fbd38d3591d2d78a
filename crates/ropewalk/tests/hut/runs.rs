//! How a build runs, as the API and hut tell it.

use crate::forge::{FAILS, Forge};
use crate::on_both_databases;
use crate::repositories::Repositories;
use crate::server::{Engine, Server};
use serde_json::json;

on_both_databases! {
    srht_56_complete_build
    srht_57_a_task_that_fails
    srht_58_every_task_begins_at_home
    srht_59_the_environment
    srht_60_sources_however_they_are_written
}

async fn srht_56_complete_build(engine: Engine) {
    let forge = Forge::start(engine).await;
    let manifest = "image: host\ntasks:\n  - one: 'true'\n  - two: complete-build\n  - three: echo never\n";
    let id = forge.submit(manifest, &[]);
    let job = forge.wait_for(id, "SUCCESS").await;
    let tasks = [("one", "SUCCESS"), ("two", "SUCCESS"), ("three", "SKIPPED")];
    assert_eq!(job["tasks"], json!(tasks.map(|(name, status)| json!({ "name": name, "status": status }))));
}

async fn srht_57_a_task_that_fails(engine: Engine) {
    let forge = Forge::start(engine).await;
    let id =
        forge.submit(&format!("artifacts: [file]\n{}", FAILS.replace("echo first", "echo first >file")), &[]);
    let job = forge.wait_for(id, "FAILED").await;
    let tasks = [("one", "SUCCESS"), ("two", "FAILED"), ("three", "PENDING")];
    assert_eq!(job["tasks"], json!(tasks.map(|(name, status)| json!({ "name": name, "status": status }))));
    assert_eq!(job["artifacts"], json!([]));
}

/// What a build printed, as hut shows it when it follows.
fn followed(forge: &Forge, manifest: &str) -> String {
    forge.hut(&["builds", "submit", "-f", &forge.file("m.yml", manifest)]).succeeds().out
}

async fn srht_58_every_task_begins_at_home(engine: Engine) {
    let forge = Forge::start(engine).await;
    let manifest = "image: host\ntasks:\n  - one: |\n      cd /tmp\n      export X=1\n  - two: |\n      pwd\n      echo ${X-unset}\n";
    let log = followed(&forge, manifest);
    for line in ["+ pwd", "/home/build", "+ echo unset", "unset"] {
        assert_eq!(log.lines().filter(|printed| *printed == line).count(), 1, "{line}: {log}");
    }
}

async fn srht_59_the_environment(engine: Engine) {
    let forge = Forge::start(engine).await;
    let manifest = "image: host\nenvironment:\n  TEXT: it's \"so\" $HOME\n  YES: true\n  NUMBER: 7\n  HALF: 0.5\n  NONE: null\n  LIST: [a b, c]\n\
        tasks:\n  - one: |\n      set +x\n      echo \"1 $TEXT\"; echo \"2 $YES\"; echo \"3 $NUMBER\"; echo \"4 $HALF\"\n      \
        echo \"5 ${NONE-unset}|\"; env | grep -E '^(TEXT|YES|NUMBER|HALF|NONE|LIST|CI_NAME)=' | cut -d= -f1 | sort | tr '\\n' ' '; echo\n      \
        echo \"6 ${LIST[0]}|${LIST[1]}\"\n      echo \"7 $JOB_ID $JOB_URL $CI_NAME\"\n";
    let log = followed(&forge, manifest);
    let lines = [
        "1 it's \"so\" $HOME",
        "2 true",
        "3 7",
        "4 0.5",
        "5 |",
        // A list is not exported, all else is.
        "CI_NAME HALF NONE NUMBER TEXT YES ",
        "6 a b|c",
        &format!("7 1 {}/~alice/job/1 sourcehut", forge.server.origin),
    ];
    for line in lines {
        assert!(log.lines().any(|printed| printed == line), "no {line:?}: {log}");
    }
}

/// A task that shows what was cloned where, and at which commit.
const SHOW: &str = "tasks:\n  - one: |\n      set +x\n      for d in plain tag sha mine/dir rope whole whole/part; do\n        \
    echo \"$d: $(cat $d/file) $(git -C $d rev-parse HEAD)\"\n      done\n";

async fn srht_60_sources_however_they_are_written(engine: Engine) {
    // The repositories are served on this machine's loopback, which only the machine's own network has.
    let variables = [("ROPEWALK_SANDBOX__NETWORK", "host")];
    let forge = Forge::with(Server::start_on(engine, &[], &variables).await);
    let Repositories { address, tagged, newest, whole } = Repositories::serve();
    let manifest = format!(
        "image: host\nsources:\n  - {address}/plain\n  - tag::{address}/plain#v1\n  - sha::{address}/plain#{tagged}\n  \
         - mine/dir::git+{address}/plain\n  - {address}/rope.git\n  - {address}/whole\n{SHOW}"
    );
    let log = followed(&forge, &manifest);
    for line in [
        format!("plain: two {newest}"),
        format!("tag: one {tagged}"),
        format!("sha: one {tagged}"),
        format!("mine/dir: two {newest}"),
        format!("rope: two {newest}"),
        format!("whole: around {whole}"),
        format!("whole/part: two {newest}"),
    ] {
        assert!(log.lines().any(|printed| printed == line), "no {line:?}: {log}");
    }
    // Without a folder of its own a source is where its address ends, at the tag that it names.
    let two = format!("image: host\nsources: [\"{address}/rope.git#v1\"]\ntasks:\n  - one: cat rope/file\n");
    assert!(followed(&forge, &two).lines().any(|printed| printed == "one"));
}
