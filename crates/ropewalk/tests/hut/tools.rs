//! `hut graphql builds` and `hut export`.

use crate::forge::{FAILS, Forge, HELLO};
use crate::on_both_databases;
use crate::server::Engine;
use serde_json::Value;

on_both_databases! {
    srht_43_graphql_version_and_me
    srht_44_graphql_with_a_number_as_text
    srht_45_graphql_with_a_file
    srht_46_export
}

async fn srht_43_graphql_version_and_me(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let query =
        "query { version { major minor patch settings { sshUser buildTimeout } } me { canonicalName } }";
    let said = forge.hut_with_input(&["graphql", "builds"], query).succeeds();
    let data: Value = serde_json::from_str(&said.out).unwrap();
    let version = &data["version"];
    assert_eq!((&version["major"], &version["minor"], &version["patch"]), (&0.into(), &0.into(), &0.into()));
    assert_eq!(version["settings"]["sshUser"], "builds");
    let timeout = version["settings"]["buildTimeout"].as_str().unwrap();
    assert!(timeout.starts_with(|c: char| c.is_ascii_digit()) && timeout.ends_with(['m', 's']), "{timeout}");
    assert_eq!(data["me"]["canonicalName"], "~alice");
}

async fn srht_44_graphql_with_a_number_as_text(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &[]);
    let query = "query q($id: Int!) { job(id: $id) { id } }";
    let said = forge.hut_with_input(&["graphql", "builds", "-v", &format!("id={id}")], query).succeeds();
    let data: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(data["job"]["id"], id);
}

async fn srht_45_graphql_with_a_file(engine: Engine) {
    let forge = Forge::idle(engine).await;
    let id = forge.submit(HELLO, &[]);
    let query = "mutation create($jobId: Int!, $contents: File!) { \
                 createArtifact(jobId: $jobId, path: \"m.yml\", contents: $contents) { id } }";
    let path = forge.file("m.yml", HELLO);
    let arguments =
        ["graphql", "builds", "--file", &format!("contents={path}"), "-v", &format!("jobId={id}")];
    let said = forge.hut_with_input(&arguments, query).fails("access denied");
    assert!(!said.errors.contains("400") && !said.errors.contains("500"), "{said:?}");
    assert!(forge.job(id).await["artifacts"].as_array().unwrap().is_empty());
}

async fn srht_46_export(engine: Engine) {
    let forge = Forge::start(engine).await;
    let (fine, failed) = (forge.submit(HELLO, &["-t", "x"]), forge.submit(FAILS, &[]));
    forge.wait_for(fine, "SUCCESS").await;
    forge.wait_for(failed, "FAILED").await;
    forge.hut(&["export", "D", &forge.server.origin]).succeeds();
    let read = |id: i64, name: &str| {
        let path = forge.server.home().join(format!("D/builds.sr.ht/{id}/{name}"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    for (id, tasks) in [(fine, &["a"][..]), (failed, &["one", "two"])] {
        let info: Value = serde_json::from_str(&read(id, "info.json")).unwrap();
        assert_eq!(info["id"], id);
        assert!(read(id, "_build.log").contains("Opening image host"));
        for (task, file) in [("", "_build.log".to_string())]
            .into_iter()
            .chain(tasks.iter().map(|task| (*task, format!("{task}.log"))))
        {
            assert_eq!(read(id, &file).replace('\r', ""), forge.log(id, task).await.text, "{id} {file}");
        }
    }
    assert!(read(fine, "a.log").lines().any(|line| line == "hi"));
    assert!(read(failed, "two.log").lines().any(|line| line == "reason"));
}
