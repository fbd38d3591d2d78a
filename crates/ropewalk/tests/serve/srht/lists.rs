//! What a list asks of the database.

use super::farm::{Farm, MANIFEST};
use super::on_both_engines;
use crate::server::{Engine, Server};
use crate::web::visitor::Visitor;
use serde_json::json;

on_both_engines! {
    a_list_asks_the_database_no_more_for_many_jobs_than_for_two
    lists_read_no_manifest
}

/// Every list of the schema below a list of jobs, some twice, and what `hut export` asks.
const LIST: &str = "{ jobs { results { id
    tasks { id name status job { id } log { fullURL } } again: tasks { name } log { fullURL }
    artifacts { id url } owner { canonicalName created ... on User { email } }
    group { id jobs { id status tasks { name } artifacts { path } owner { created } group { id jobs { id } } } }
} cursor } }";

/// Statements that the database got for one answer to [`LIST`]. What the server does by itself meanwhile is not in the
/// least of several counts.
async fn statements(farm: &Farm, jobs: usize) -> usize {
    let mut least = usize::MAX;
    for _ in 0..4 {
        let before = farm.server.words().matches("sqlx::query").count();
        let data = farm.ask(&farm.alice, LIST, json!({})).await;
        let results = data["jobs"]["results"].as_array().unwrap();
        assert_eq!(results.len(), jobs);
        for job in results {
            assert_eq!((job["tasks"].as_array().unwrap().len(), &job["tasks"][1]["name"]), (3, &"b".into()));
            assert_eq!(job["tasks"][2]["job"]["id"], job["id"]);
            let members: Vec<_> = job["group"]["jobs"].as_array().unwrap().iter().map(|j| &j["id"]).collect();
            assert_eq!((members.len(), members.contains(&&job["id"])), (2, true), "{job}");
        }
        least = least.min(farm.server.words().matches("sqlx::query").count() - before);
    }
    least
}

/// Two jobs in a group of their own.
async fn pair(farm: &Farm) {
    let manifest = format!("{MANIFEST}  - b: echo b\n  - c: echo c\n");
    let mut jobs = vec![];
    for _ in 0..2 {
        jobs.push(farm.submit(&manifest, ", execute: false").await);
    }
    let make = "mutation($ids: [Int!]!) { createGroup(jobIds: $ids) { id } }";
    farm.ask(&farm.alice, make, json!({ "ids": jobs })).await;
}

async fn a_list_asks_the_database_no_more_for_many_jobs_than_for_two(engine: Engine) {
    let variables = [("ROPEWALK_LOG", "warn,sqlx::query=debug")];
    let farm = Farm::of(Server::start_on(engine, &["--no-runner"], &variables).await);
    pair(&farm).await;
    let few = statements(&farm, 2).await;
    for _ in 0..11 {
        pair(&farm).await;
    }
    let many = statements(&farm, 24).await;
    assert!(few > 5, "the statements are not in the log: {few}");
    assert_eq!(many, few, "statements for 24 jobs against those for 2");
}

/// The column of the manifests is away: whatever reads it fails.
async fn lists_read_no_manifest(engine: Engine) {
    let farm = Farm::of(Server::start_on(engine, &["--no-runner"], &[]).await);
    pair(&farm).await;
    let server = &farm.server;
    let visitor = Visitor::admin(server).await;
    let token = server.token();
    let rename = "ALTER TABLE jobs RENAME COLUMN";
    server.change_database(&format!("{rename} manifest TO manifest_away")).await;
    for page in ["/", "/-/jobs", "/-/jobs?q=x", "/~alice", "/~alice/rss.xml", "/~alice.svg"] {
        assert_eq!(visitor.get(page).await.status, 200, "{page}");
    }
    let client = server.client();
    for path in ["/api/n1/jobs", "/api/n1/jobs/1", "/api/n1/waiting", "/api/jobs"] {
        let (status, answer) = client.get(path, Some(&token)).await;
        assert!(status == 200 || path == "/api/n1/waiting" && status == 404, "{path}: {status} {answer}");
    }
    let data = farm.ask(&farm.alice, LIST, json!({})).await;
    assert_eq!(data["jobs"]["results"].as_array().unwrap().len(), 2);
    // Where it is asked for, it is read.
    assert_eq!(client.get("/api/n1/jobs/1/manifest", Some(&token)).await.0, 503);
    let body = json!({ "query": "{ jobs { results { manifest } } }" });
    let (_, refused) = client.send("POST", "/query", Some(&farm.alice), body.clone()).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "ERR_INTERNAL");
    server.change_database(&format!("{rename} manifest_away TO manifest")).await;
    let (_, answer) = client.send("POST", "/query", Some(&farm.alice), body).await;
    let first = answer["data"]["jobs"]["results"][0]["manifest"].as_str().unwrap();
    assert!(first.starts_with(MANIFEST), "{answer}");
}
