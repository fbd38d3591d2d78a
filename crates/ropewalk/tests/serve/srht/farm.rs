//! A server with two accounts, and the questions that tests ask it.

use crate::server::{Client, Engine, PATIENCE, Server, answer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) const MANIFEST: &str = "image: host\ntasks:\n  - a: echo hi\n";

pub(crate) struct Farm {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) alice: String,
    pub(crate) bob: String,
}

impl Farm {
    /// Runs builds.
    pub(crate) async fn busy(engine: Engine) -> Farm {
        Farm::of(Server::start(engine).await)
    }

    /// Runs none: what is queued stays queued.
    pub(crate) async fn idle(engine: Engine) -> Farm {
        Farm::of(Server::start_with(engine, &["--no-runner"]).await)
    }

    /// Runs no builds, and hears out whoever has no token.
    pub(crate) async fn patient(engine: Engine) -> Farm {
        let limits = [("ROPEWALK_LIMITS__REQUESTS_ANONYMOUS", "100000")];
        Farm::of(Server::start_on(engine, &["--no-runner"], &limits).await)
    }

    pub(crate) async fn with_limits(limits: &[(&str, &str)]) -> Farm {
        Farm::of(Server::start_with_variables(&["--no-runner"], limits).await)
    }

    pub(crate) fn of(server: Server) -> Farm {
        for name in ["alice", "bob"] {
            server.done(&["user", "create", name]);
        }
        let (alice, bob) = (token(&server, "alice", ""), token(&server, "bob", ""));
        let client = server.client();
        Farm { server, client, alice, bob }
    }

    pub(crate) fn token(&self, name: &str, grants: &str) -> String {
        token(&self.server, name, grants)
    }

    /// Status and body of an operation.
    pub(crate) async fn post(&self, token: &str, query: &str, variables: Value) -> (u16, Value) {
        let body = json!({ "query": query, "variables": variables });
        answer(self.client.request("POST", "/query", Some(token)).json(&body)).await
    }

    /// The data of an operation that must succeed.
    pub(crate) async fn ask(&self, token: &str, query: &str, variables: Value) -> Value {
        let (status, body) = self.post(token, query, variables).await;
        assert!(status == 200 && body.get("errors").is_none(), "{query}: {status} {body:#}");
        body["data"].clone()
    }

    /// The errors of an operation that must have some.
    pub(crate) async fn refused(&self, token: &str, query: &str, variables: Value) -> Vec<Value> {
        let (_, body) = self.post(token, query, variables).await;
        let errors =
            body["errors"].as_array().unwrap_or_else(|| panic!("{query}: no errors: {body:#}")).clone();
        assert!(errors.iter().all(|error| !error["message"].as_str().unwrap().is_empty()), "{body:#}");
        errors
    }

    /// Submits as alice; more arguments as GraphQL text.
    pub(crate) async fn submit(&self, manifest: &str, arguments: &str) -> i64 {
        self.submit_as(&self.alice, manifest, arguments).await
    }

    pub(crate) async fn submit_as(&self, token: &str, manifest: &str, arguments: &str) -> i64 {
        let query = format!("mutation($m: String!) {{ submit(manifest: $m {arguments}) {{ id }} }}");
        self.ask(token, &query, json!({ "m": manifest })).await["submit"]["id"].as_i64().unwrap()
    }

    /// What alice sees of a job.
    pub(crate) async fn job(&self, id: i64, selection: &str) -> Value {
        let query = format!("query($id: Int!) {{ job(id: $id) {{ {selection} }} }}");
        self.ask(&self.alice, &query, json!({ "id": id })).await["job"].clone()
    }

    /// Waits until a job is in a status.
    pub(crate) async fn wait(&self, id: i64, status: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.job(id, "status tasks { name status }").await;
            if job["status"] == status {
                return job;
            }
            let is_final =
                ["SUCCESS", "FAILED", "TIMEOUT", "CANCELLED"].contains(&job["status"].as_str().unwrap());
            assert!(
                !is_final && Instant::now() < deadline,
                "job {id} is not to be {status} any more: {job:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a task's log holds a text.
    pub(crate) async fn wait_for_log(&self, id: i64, task: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let address = format!("/query/log/{id}/{task}/log");
        loop {
            let (status, _, bytes) = self.get(&address, Some(&self.alice), None).await;
            if status == 200 && bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                return;
            }
            assert!(Instant::now() < deadline, "task {task} of job {id} did not print {text:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Status, `Content-Range` and bytes at an address.
    pub(crate) async fn get(
        &self,
        address: &str,
        token: Option<&str>,
        range: Option<&str>,
    ) -> (u16, Option<String>, Vec<u8>) {
        let mut request = self.client.request("GET", address, token);
        if let Some(range) = range {
            request = request.header("range", range);
        }
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let content_range = response.headers().get("content-range").map(|v| v.to_str().unwrap().to_string());
        (response.status().as_u16(), content_range, response.bytes().await.unwrap().to_vec())
    }
}

fn token(server: &Server, name: &str, grants: &str) -> String {
    server.done(&["token", "create", "--user", name, "--grants", grants]).trim().to_string()
}

pub(crate) fn statuses(job: &Value) -> Vec<&str> {
    job["tasks"].as_array().unwrap().iter().map(|task| task["status"].as_str().unwrap()).collect()
}
