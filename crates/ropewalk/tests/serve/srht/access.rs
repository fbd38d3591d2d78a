//! Who may ask what: tokens, scopes, and errors field by field.

use super::farm::{Farm, MANIFEST};
use super::on_both_engines;
use crate::server::{Engine, answer, http};
use serde_json::{Value, json};

on_both_engines! {
    srht_47_requests_without_a_valid_token
    srht_48_a_reading_token_reads_and_is_told_what_it_may_not
    srht_49_secrets_need_a_grant_of_their_own
}

async fn srht_47_requests_without_a_valid_token(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let revoked = farm.token("alice", "");
    let list = farm.server.json(&["token", "list", "--user", "alice", "--json"]);
    let newest = list.as_array().unwrap().iter().map(|token| token["id"].as_i64().unwrap()).max().unwrap();
    farm.server.done(&["token", "revoke", "--user", "alice", &newest.to_string()]);
    let unknown = "A".repeat(43);
    for (header, status) in [
        (None, 401),
        (Some("Foo x".to_string()), 400),
        (Some("Bearer".into()), 400),
        (Some("Bearer short".into()), 400),
        (Some("Basic YWxpY2U6eA==".into()), 400),
        (Some(format!("Bearer {unknown}")), 403),
        (Some(format!("Bearer {revoked}")), 403),
    ] {
        let mut request =
            farm.client.request("POST", "/query", None).json(&json!({ "query": "{ version { major } }" }));
        if let Some(header) = &header {
            request = request.header("authorization", header);
        }
        let (found, body) = answer(request).await;
        assert_eq!(found, status, "{header:?}: {body}");
        let message = body["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("Authentication error:"), "{header:?}: {message}");
    }
    let lower =
        farm.client.request("POST", "/query", None).header("authorization", format!("bearer {}", farm.alice));
    assert_eq!(answer(lower.json(&json!({ "query": "{ version { major } }" }))).await.0, 200);
}

async fn srht_48_a_reading_token_reads_and_is_told_what_it_may_not(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm.submit(MANIFEST, "").await;
    farm.wait(id, "SUCCESS").await;
    let reader = farm.token("alice", "builds.sr.ht/JOBS:RO builds.sr.ht/PROFILE:RO");
    let submit = "mutation($m: String!) { submit(manifest: $m) { id } }";
    let (status, body) = farm.post(&reader, submit, json!({ "m": MANIFEST })).await;
    assert_eq!((status, &body["data"]), (200, &Value::Null), "{body}");
    assert!(body["errors"][0]["message"].as_str().unwrap().starts_with("Access denied"), "{body}");
    assert_eq!(body["errors"][0]["extensions"]["code"], "ERR_ACCESS_DENIED");
    let jobs = farm.ask(&reader, "{ jobs { results { id owner { canonicalName } } } }", json!({})).await;
    assert_eq!(jobs["jobs"]["results"].as_array().unwrap().len(), 1, "the submission was refused");

    let query =
        "query($id: Int!) { job(id: $id) { id log { fullURL } status tasks { name log { fullURL } } } }";
    let (status, body) = farm.post(&reader, query, json!({ "id": id })).await;
    let expected =
        json!({ "id": id, "log": null, "status": "SUCCESS", "tasks": [{ "name": "a", "log": null }] });
    assert_eq!((status, &body["data"]["job"]), (200, &expected));
    let mut paths: Vec<String> =
        body["errors"].as_array().unwrap().iter().map(|e| e["path"].to_string()).collect();
    paths.sort();
    assert_eq!(paths, [r#"["job","log"]"#, r#"["job","tasks",0,"log"]"#]);
}

#[tokio::test]
async fn what_may_not_be_null_takes_the_object_above_with_it() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let id = farm.submit(MANIFEST, "").await;
    let jobs_only = farm.token("alice", "JOBS:RW");
    let query = "query($id: Int!) { job(id: $id) { id owner { canonicalName } } version { major } }";
    let (_, body) = farm.post(&jobs_only, query, json!({ "id": id })).await;
    assert_eq!(body["data"], json!({ "job": null, "version": { "major": 0 } }), "{body}");
    assert_eq!(body["errors"][0]["path"], json!(["job", "owner"]));
    // Up to the very top, where nothing on the way may be null.
    let (_, body) =
        farm.post(&jobs_only, "{ version { major } jobs { results { owner { id } } } }", json!({})).await;
    assert_eq!((&body["data"], body["errors"].as_array().unwrap().len()), (&Value::Null, 1), "{body}");
    let (_, body) = farm.post(&jobs_only, "{ me { id } }", json!({})).await;
    assert_eq!(body["data"], Value::Null);
}

async fn srht_49_secrets_need_a_grant_of_their_own(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let token = farm.token("alice", "JOBS:RW PROFILE:RO");
    let submit = "mutation($m: String!, $s: Boolean!) { submit(manifest: $m, secrets: $s) { id owner { canonicalName } } }";
    let errors = farm.refused(&token, submit, json!({ "m": MANIFEST, "s": true })).await;
    assert!(errors[0]["message"].as_str().unwrap().contains("SECRETS"), "{errors:?}");
    farm.ask(&token, submit, json!({ "m": MANIFEST, "s": false })).await;
}

#[tokio::test]
async fn what_only_runners_and_the_server_may_do_is_denied_to_all_people() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let admin = farm.server.token();
    for token in [&farm.alice, &admin] {
        for (query, words) in [
            ("mutation { claim(jobId: 1) { id } }", "Access denied"),
            ("mutation { updateJob(jobId: 1, status: SUCCESS) { id } }", "Access denied"),
            ("mutation { updateTask(taskId: 1, status: FAILED) { id } }", "Access denied"),
            ("mutation { deleteUser }", "Internal auth access denied"),
        ] {
            let errors = farm.refused(token, query, json!({})).await;
            assert!(errors[0]["message"].as_str().unwrap().starts_with(words), "{query}: {errors:?}");
            assert_eq!(errors[0]["extensions"]["code"], "ERR_ACCESS_DENIED", "{query}");
        }
    }
}

/// A question for each member of the list of what is missing.
const UNBUILT: &[(&str, &str)] = &[
    ("Query.secrets", "{ secrets { cursor } }"),
    ("Job.secrets", "{ job(id: 1) { secrets { uuid } } }"),
    ("Query.userWebhook", "{ userWebhook(id: 1) { id } }"),
    ("Query.userWebhooks", "{ userWebhooks { cursor } }"),
    ("Query.webhook", "{ webhook { uuid } }"),
    ("Mutation.shareSecret", "mutation { shareSecret(uuid: \"x\", user: \"bob\") { uuid } }"),
    (
        "Mutation.createUserWebhook",
        "mutation { createUserWebhook(config: { url: \"http://h\", events: [JOB_CREATED], query: \"{x}\" }) { id } }",
    ),
    ("Mutation.deleteUserWebhook", "mutation { deleteUserWebhook(id: 1) { id } }"),
    (
        "Mutation.createGroup(triggers)",
        "mutation { createGroup(jobIds: [1], triggers: [{ type: EMAIL, condition: ALWAYS, email: { to: \"a@b\" } }]) { id } }",
    ),
    ("Mutation.claim", "mutation { claim(jobId: 1) { id } }"),
    ("Mutation.updateJob", "mutation { updateJob(jobId: 1, status: SUCCESS) { id } }"),
    ("Mutation.updateTask", "mutation { updateTask(taskId: 1, status: SUCCESS) { id } }"),
];
/// And for those that nobody may ask over the network.
const INTERNAL: &[(&str, &str)] = &[("Mutation.deleteUser", "mutation { deleteUser }")];
/// Asked for elsewhere: files come by multipart.
const ELSEWHERE: &[&str] = &["Mutation.createArtifact"];

#[tokio::test]
async fn what_is_not_built_yet_says_so() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let manifest = format!("secrets: [some-secret]\n{MANIFEST}");
    assert_eq!(farm.submit(&manifest, ", secrets: true, execute: false").await, 1);
    let runner = farm.token("alice", "PROFILE:RW JOBS:RW LOGS:RW SECRETS:RW RUNNER:RW");
    for (member, query) in UNBUILT {
        let errors = farm.refused(&runner, query, json!({})).await;
        assert_eq!(errors[0]["extensions"]["code"], "ERR_UNSUPPORTED", "{member}: {errors:?}");
        assert!(errors[0]["message"].as_str().unwrap().starts_with(member), "{member}: {errors:?}");
    }
    let socket = http().unix_socket(farm.server.data().join("admin.sock")).build().unwrap();
    for (member, query) in INTERNAL {
        let (status, body) =
            answer(socket.post("http://localhost/query").json(&json!({ "query": query }))).await;
        let error = &body["errors"][0];
        assert_eq!(
            (status, &error["extensions"]["code"]),
            (200, &"ERR_UNSUPPORTED".into()),
            "{member}: {body}"
        );
        assert!(error["message"].as_str().unwrap().starts_with(member), "{member}: {body}");
    }
    let asked: Vec<&str> =
        UNBUILT.iter().chain(INTERNAL).map(|(member, _)| *member).chain(ELSEWHERE.iter().copied()).collect();
    for unbuilt in ropewalk_door_srht::UNBUILT {
        assert!(asked.contains(&unbuilt.member), "nothing asks for {}", unbuilt.member);
        println!("not built yet: {} ({})", unbuilt.member, unbuilt.missing);
    }
    assert_eq!(asked.len(), ropewalk_door_srht::UNBUILT.len());
    assert_eq!(farm.job(1, "status").await["status"], "PENDING", "nothing was done");
}
