//! A database or a disk that fails: every door says in its own form that it cannot now, and nobody but the log is told
//! what the engine said.

use super::routes::{Dialect, all_routes, filled, is_in, of_words};
use super::wire::{Answer, send};
use crate::server::{Engine, Server};
use crate::srht::on_both_engines;
use crate::web::visitor::Visitor;

on_both_engines! {
    nobody_is_told_what_the_engine_said
}

/// What engines, drivers and paths are known by; in lower case.
const INSIDE: &[&str] = &[
    "no such table",
    "relation \"",
    "select ",
    "insert ",
    "sqlite",
    "postgres",
    "sqlx",
    "database error",
    "_away",
    "the store could",
];
/// Tables by which it is known who asks.
const IDENTITY: [&str; 3] = ["users", "tokens", "sessions"];
const TABLES: [&str; 11] = [
    "jobs",
    "works",
    "job_groups",
    "arch_targets",
    "arch_repos",
    "arch_logs",
    "artifacts",
    "nix_projects",
    "nix_jobsets",
    "nix_builds",
    "nix_evaluations",
];

struct Asking<'a> {
    server: &'a Server,
    /// Of the requests: one of them says who asks.
    token: String,
    cookie: String,
    /// Where the server keeps its data, which is nobody's business.
    data: String,
}

impl Asking<'_> {
    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let dialect = dialect_of(method, path);
        let who = match dialect {
            Dialect::Page => format!("Cookie: {}", self.cookie),
            _ => format!("Authorization: Bearer {}", self.token),
        };
        let accept = dialect.accept();
        let sent = match body {
            "" => String::new(),
            body => format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{accept}{who}\r\n{sent}\r\n{body}"
        );
        let answer = send(self.server, path, request.as_bytes()).expect(path);
        let shown = format!("{}{}", answer.head, answer.body.to_lowercase());
        for word in INSIDE.iter().copied().chain([self.data.as_str()]) {
            assert!(
                answer.status < 400 || !shown.contains(word),
                "{method} {path} tells {word:?}: {answer:?}"
            );
        }
        // The seed calls a search for nothing the server's fault.
        assert!(answer.status != 500 || path == "/search", "{method} {path}: {answer:?}");
        answer
    }

    /// It cannot now, says so in the form of its door, and when to come again.
    fn is_not_now(&self, method: &str, path: &str, kind: &str, body: &str) {
        let answer = self.ask(method, path, kind, body);
        let is_whole = is_in(dialect_of(method, path), &answer);
        assert!(answer.status == 503 && is_whole, "{method} {path}: {answer:?}");
        assert!(answer.head.contains("\r\nretry-after: "), "{method} {path}: {answer:?}");
    }
}

fn dialect_of(method: &str, path: &str) -> Dialect {
    of_words(method, path.split('?').next().unwrap()).unwrap()
}

async fn rename(server: &Server, tables: &[&str], to: impl Fn(&str) -> (String, String)) {
    for table in tables {
        let (from, to) = to(table);
        server.change_database(&format!("ALTER TABLE {from} RENAME TO {to}")).await;
    }
}

async fn nobody_is_told_what_the_engine_said(engine: Engine) {
    let often = [("ROPEWALK_LIMITS__REQUESTS_ANONYMOUS", "100000")];
    let server = Server::start_on(engine, &["--no-runner"], &often).await;
    server.submit("image: host\ntasks:\n  - a: 'true'\n");
    let visitor = Visitor::admin(&server).await;
    let (token, cookie) = (server.token(), visitor.cookie.clone().unwrap());
    let data = server.data().to_str().unwrap().to_lowercase();
    let asking = Asking { server: &server, token, cookie, data };
    let away = |table: &str| (table.to_string(), format!("{table}_away"));
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let manifest = r#"{"manifest":"image: host\ntasks:\n  - a: 'true'\n"}"#;
    let key = visitor.get("/submit").await.key();

    rename(&server, &TABLES, away).await;
    for path in
        ["/api/n1/jobs", "/api/n1/jobs/1", "/", "/-/jobs", "/~admin", "/~admin.svg", "/~admin/rss.xml"]
    {
        asking.is_not_now("GET", path, json, "");
    }
    for path in ["/project/p", "/jobset/p/j/errors", "/build/1", "/eval/1", "/api/nrqueue"] {
        asking.is_not_now("GET", path, json, "");
    }
    for path in ["/api/jobs", "/api/jobs/1", "/api/v1/targets", "/api/v1/logs"] {
        asking.is_not_now("GET", path, json, "");
    }
    asking.is_not_now("POST", "/api/n1/jobs", json, manifest);
    asking.is_not_now("POST", "/api/jobs", json, manifest);
    asking.is_not_now(
        "POST",
        "/submit",
        form,
        &format!("key={key}&manifest=image%3A+host%0Atasks%3A%0A++-+a%3A+%27true%27%0A"),
    );
    asking.is_not_now("POST", "/api/v1/targets?kind=git&url=https://example.org/x.git&repo=tools", json, "");
    // One field of an answer: the others go on.
    let query = r#"{"query":"{ version { major } jobs { results { id } } }"}"#;
    let answer: serde_json::Value =
        serde_json::from_str(&asking.ask("POST", "/query", json, query).body).unwrap();
    let error = &answer["errors"][0];
    assert_eq!((&error["extensions"]["code"], &error["path"][0]), (&"ERR_INTERNAL".into(), &"jobs".into()));
    assert!(error["message"].as_str().unwrap().starts_with("the server cannot"), "{answer}");
    for route in all_routes() {
        if route.method == "GET" {
            asking.ask("GET", &filled(&route.path), json, "");
        }
    }
    let words = server.words().to_lowercase();
    assert!(
        words.contains("jobs") && (words.contains("no such table") || words.contains("relation")),
        "{words}"
    );

    rename(&server, &IDENTITY, away).await;
    for path in
        ["/api/n1/user", "/", "/project/p", "/api/jobs", "/query", "/query/log/1/log", "/api/v1/targets"]
    {
        asking.is_not_now("GET", path, json, "");
    }
    asking.is_not_now("POST", "/query", json, query);

    rename(&server, &[&IDENTITY[..], &TABLES].concat(), |table| {
        let (table, away) = away(table);
        (away, table)
    })
    .await;
    assert_eq!(asking.ask("GET", "/api/n1/jobs/1", json, "").status, 200);
}
