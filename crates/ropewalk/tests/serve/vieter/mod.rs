//! Vieter's door through the real binary. Tests are named after the rows of the acceptance table that they show;
//! `tests/spec-rows.toml` lists the rows that must be shown.

mod hostile;
mod jobs;
mod kill;
mod logs;
mod measure;
mod native;
pub(crate) mod packages;
mod pacman;
mod pages;
mod repos;
mod targets;
mod transport;

pub(crate) use crate::srht::on_both_engines;

use crate::server::{Engine, PATIENCE, Server};
use serde_json::Value;

/// A server with the key of its administrator.
pub(crate) struct Farm {
    pub(crate) server: Server,
    pub(crate) key: String,
    http: reqwest::Client,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The data of an envelope without a message.
    pub(crate) fn data(&self) -> Value {
        let envelope = self.envelope();
        assert_eq!((self.status, &envelope["message"]), (200, &Value::from("")), "{}", self.text());
        envelope["data"].clone()
    }

    pub(crate) fn envelope(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{self:?}");
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Asserts that it is a refusal with this message.
    pub(crate) fn is_refused(&self, status: u16, message: &str) {
        let envelope = self.envelope();
        assert_eq!((self.status, envelope["message"].as_str().unwrap()), (status, message));
        assert_eq!(envelope["data"], "");
    }

    /// Asserts that it is a status and nothing else.
    pub(crate) fn is_bare(&self, status: u16) {
        assert_eq!((self.status, self.bytes.len()), (status, 0), "{}", self.text());
        assert_eq!(self.headers["content-type"], "text/plain");
    }
}

impl Farm {
    pub(crate) async fn start(engine: Engine) -> Farm {
        Farm::start_with(engine, &[]).await
    }

    /// Without a runner.
    pub(crate) async fn start_with(engine: Engine, variables: &[(&str, &str)]) -> Farm {
        Farm::start_flags(engine, &["--no-runner"], variables).await
    }

    /// Schedules lie far ahead unless a test says otherwise.
    pub(crate) async fn start_flags(engine: Engine, flags: &[&str], variables: &[(&str, &str)]) -> Farm {
        let mut all = vec![("ROPEWALK_ARCH__SCHEDULE", "0 0 29 2")];
        all.extend(variables);
        let server = Server::start_on(engine, flags, &all).await;
        let key = server.token();
        // A connection that is kept outlives a server that is killed.
        let http = crate::server::http().pool_max_idle_per_host(0).build().unwrap();
        Farm { server, key, http }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let address = format!("{}{path}", self.server.origin);
        self.http.request(method.parse().unwrap(), address).timeout(PATIENCE)
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        answer(self.request(method, path).header("X-Api-Key", &self.key)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask("POST", path).await
    }

    pub(crate) async fn send(&self, path: &str, body: Vec<u8>) -> Answer {
        answer(self.request("POST", path).header("X-Api-Key", &self.key).body(body)).await
    }

    /// Makes a target and answers its number.
    pub(crate) async fn target(&self, query: &str) -> i64 {
        self.post(&format!("/api/v1/targets?{query}")).await.data().as_i64().expect("a bare integer")
    }

    pub(crate) async fn queue(&self, target: i64, arch: &str) {
        self.post(&format!("/api/v1/jobs/queue?target={target}&arch={arch}")).await.is_bare(200);
    }

    pub(crate) async fn poll(&self, arch: &str, max: i64) -> Vec<Value> {
        let answer = self.get(&format!("/api/v1/jobs/poll?arch={arch}&max={max}")).await;
        answer.data().as_array().unwrap().clone()
    }

    /// Uploads a log and answers its number.
    pub(crate) async fn log(&self, query: &str, body: &[u8]) -> i64 {
        self.send(&format!("/api/v1/logs?{query}"), body.to_vec()).await.data().as_i64().unwrap()
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
}

pub(crate) const GIT: &str = "kind=git&url=https://example.org/p.git&repo=r";

pub(crate) fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}
