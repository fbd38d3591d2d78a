//! Hydra's door through the real binary. Tests are named after the rows of the acceptance table that they show;
//! `tests/spec-rows.toml` lists the rows that must be shown.

pub(crate) mod builds;
mod client;
mod downloads;
mod histories;
mod jobsets;
mod negotiation;
mod pages;
mod projects;
mod results;
mod schema;
mod sessions;
mod survival;

pub(crate) use crate::srht::on_both_engines;

use crate::server::{Engine, PATIENCE, Server};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// A server with three people: `alice` administers it, `bob` makes projects, `carol` may do nothing in particular.
pub(crate) struct Farm {
    pub(crate) server: Server,
    http: reqwest::Client,
    pub(crate) alice: String,
    pub(crate) bob: String,
    pub(crate) carol: String,
}

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse";

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.text());
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The JSON of a good answer.
    #[track_caller]
    pub(crate) fn data(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// Asserts that it is a refusal in this dialect.
    #[track_caller]
    pub(crate) fn is_refused(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        let is_said = body["error"].as_str().is_some_and(|error| !error.is_empty());
        assert!(is_said && body.as_object().unwrap().len() == 1, "{body}");
    }
}

impl Farm {
    pub(crate) async fn start(engine: Engine) -> Farm {
        Farm::start_with(engine, &["--no-runner"], &[]).await
    }

    pub(crate) async fn start_with(engine: Engine, flags: &[&str], variables: &[(&str, &str)]) -> Farm {
        let mut all =
            vec![("ROPEWALK_LIMITS__LOGINS", "1000"), ("ROPEWALK_LIMITS__REQUESTS_ANONYMOUS", "1000")];
        all.extend(variables);
        Farm::of(Server::start_on(engine, flags, &all).await).await
    }

    /// The same on a server that has started.
    pub(crate) async fn of(server: Server) -> Farm {
        let http = crate::server::http().redirect(reqwest::redirect::Policy::none());
        let http = http.pool_max_idle_per_host(0).build().unwrap();
        let mut farm = Farm { server, http, alice: String::new(), bob: String::new(), carol: String::new() };
        farm.alice = farm.person("alice", &["admin"]).await;
        farm.bob = farm.person("bob", &["create-projects"]).await;
        farm.carol = farm.person("carol", &[]).await;
        farm
    }

    /// Makes an account with these roles and logs in; answers the session.
    pub(crate) async fn person(&self, name: &str, roles: &[&str]) -> String {
        let body = json!({ "name": name, "email": format!("{name}@example.org"), "roles": roles, "password": PASSWORD });
        let token = self.server.token();
        let made = answer(self.request("POST", "/api/n1/users").bearer_auth(token).json(&body)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        self.log_in(name).await
    }

    pub(crate) async fn log_in(&self, name: &str) -> String {
        let body = json!({ "username": name, "password": PASSWORD });
        let answer =
            answer(self.request("POST", "/login").header("Referer", self.origin()).json(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        cookie(&answer)
    }

    pub(crate) fn origin(&self) -> &str {
        &self.server.origin
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let address = format!("{}{path}", self.server.origin);
        self.http.request(method.parse().unwrap(), address).timeout(PATIENCE)
    }

    /// Asks for JSON, as nobody if the session is empty.
    pub(crate) async fn ask(&self, session: &str, method: &str, path: &str) -> Answer {
        answer(self.by(session, method, path)).await
    }

    pub(crate) fn by(&self, session: &str, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self.request(method, path).header("Accept", "application/json");
        match session {
            "" => request,
            session => request.header("Cookie", session).header("Referer", self.origin()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("", "GET", path).await
    }

    pub(crate) async fn put(&self, session: &str, path: &str, body: Value) -> Answer {
        answer(self.by(session, "PUT", path).json(&body)).await
    }

    /// Makes a project of bob's.
    pub(crate) async fn project(&self, name: &str) {
        let body = json!({ "displayname": name, "enabled": true, "visible": true });
        let made = self.put(&self.bob, &format!("/project/{name}"), body).await;
        assert_eq!(made.status, 201, "{}", made.text());
    }

    /// Makes or replaces a jobset of a project, as alice.
    pub(crate) async fn jobset(&self, project: &str, name: &str, body: Value) -> Answer {
        self.put(&self.alice, &format!("/jobset/{project}/{name}"), body).await
    }
}

/// What can stand in a jobset, so that it is a good one.
pub(crate) fn good_jobset() -> Value {
    json!({
        "enabled": 1,
        "visible": true,
        "nixexprinput": "src",
        "nixexprpath": "release.nix",
        "inputs": { "src": { "type": "git", "value": "https://example.org/p.git main", "revision": null, "uri": null } },
    })
}

/// The session that an answer hands out.
pub(crate) fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("hydra_session=") && cookie.contains("HttpOnly"), "{cookie}");
    cookie.split(';').next().unwrap().to_string()
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, bytes: response.bytes().await.unwrap().to_vec() }
}
