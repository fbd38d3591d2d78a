//! Every address of the route table against requests that are wrong in every way that does not depend on the address.

use super::SOON;
use super::wire::{Answer, LINES, send};
use crate::server::{Engine, Server};
use crate::srht::on_both_engines;
use crate::web::visitor::Visitor;
use ropewalk_http::routes::Route;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

on_both_engines! {
    every_address_answers_hostile_requests_in_its_dialect
}

/// Requests that the suite must hold at least, and for each address.
const LEAST: usize = 200;
const LEAST_EACH: usize = 30;

/// How an address refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{"errors":[{"message"}]}`
    GraphQl,
    /// `{"errors":[{"reason"}]}`, and nothing at all of a group that is not there.
    Rest,
    /// `{"error", "kind"}`
    Api,
    /// `{"error"}`
    Hydra,
    /// `{"message", "data": ""}`, or a status alone.
    Vieter,
    /// The same; but what cannot be a repository's address at all, or has another method, is everybody's: a page.
    Repository,
    /// A page, for whoever takes one.
    Page,
}

impl Dialect {
    /// What its clients accept.
    pub(super) fn accept(self) -> &'static str {
        if self == Dialect::Hydra { "Accept: application/json\r\n" } else { "Accept: text/html\r\n" }
    }
}

/// Which dialect an address speaks. A new address has to be told here.
fn dialect(route: &Route) -> Dialect {
    of_words(&route.method, &route.path)
        .unwrap_or_else(|| panic!("how does {} refuse? Say so in {}", route.path, file!()))
}

const HYDRA_API: &[&str] = &["push", "jobsets", "latestbuilds", "queue", "nrqueue", "nrbuilds", "hydra"];

pub(super) fn of_words(method: &str, path: &str) -> Option<Dialect> {
    if ropewalk_door_srht_rest::owns(path) {
        return Some(Dialect::Rest);
    }
    if path.starts_with("/api/v1/") {
        return Some(Dialect::Vieter);
    }
    if path.starts_with("/job/") && path.split('/').count() == 5 {
        return Some(Dialect::Page);
    }
    let mut words = path.trim_start_matches('/').split(['/', '.']);
    let dialect = match words.next().unwrap() {
        "health" | "{repo}" | REPO => Dialect::Repository,
        "login" if method == "POST" => Dialect::Hydra,
        "project" | "jobset" | "job" | "build" | "eval" | "log" | "current-user" | "logout" => Dialect::Hydra,
        "search" | "queue" | "status" | "machines" | "evals" => Dialect::Hydra,
        "latest" | "latest-for" | "latest-finished" => Dialect::Hydra,
        "api" if words.next().is_some_and(|word| HYDRA_API.contains(&word)) => Dialect::Hydra,
        "query" => Dialect::GraphQl,
        "api" | "artifacts" | "healthz" | "readyz" | "metrics" | "prometheus" => Dialect::Api,
        "" | "login" | "session" | "submit" | "resubmit" | "cancel" | "-" | "favicon" | "robots"
        | "graphql" => Dialect::Page,
        person if person.starts_with('~') => Dialect::Page,
        _ => return None,
    };
    Some(dialect)
}

/// Name of a repository that is not there.
pub(super) const REPO: &str = "tools";

pub(super) fn all_routes() -> BTreeSet<Route> {
    let (srht, rest) = (ropewalk_door_srht::routes(), ropewalk_door_srht_rest::routes());
    let (hydra, vieter) = (ropewalk_door_hydra::routes(), ropewalk_door_vieter::routes());
    let all = srht.into_iter().chain(rest).chain(hydra).chain(vieter);
    all.chain(ropewalk_door_web::routes()).collect()
}

/// Values for a variable part of an address that no router may look at.
const CROOKED: &[&str] =
    &["%2F", "%2f..", "%5C", "%00", "..", ".", "%2e%2e", "%zz", "%", "%ff", "a%0ab", "%7f"];
/// Values that name nothing.
const ODD: &[&str] = &[
    "0",
    "-1",
    "99999999999999999999999999",
    "%20",
    "%F0%9D%84%9E",
    "%3Cscript%3E",
    "'%20OR%201=1--",
    "%E2%80%AE",
];
const QUERIES: &[&str] =
    &["?%ff=%ff", "?a=%00", "?&&&===", "?limit=-1&before=x&from=-1&l=999999999999999999999"];
const RANGES: &[&str] =
    &["bytes=9-1", "bytes=-", "x", "bytes=0-0,2-3", "bytes=99999999999999999999-", "bytes=\u{e9}"];
const CREDENTIALS: &[&[u8]] = &[
    b"Authorization: Basic eDp5\r\n",
    b"Authorization: Bearer\r\n",
    b"Authorization: Bearer \xff\r\n",
    b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
    b"Authorization: Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n",
];

/// Bodies that no address takes, with their types.
fn bodies() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    vec![
        ("nothing", json, vec![]),
        ("half an object", json, b"{".to_vec()),
        ("a list", json, b"[]".to_vec()),
        ("bytes that are not UTF-8", json, b"{\"query\":\"\xff\",\"name\":\"\xff\"}".to_vec()),
        ("a NUL", json, b"\0".to_vec()),
        (
            "wrong types",
            json,
            br#"{"query":[],"manifest":{},"name":5,"password":[],"grants":{},"lifetime":"x"}"#.to_vec(),
        ),
        ("deep lists", json, b"[".repeat(500_000)),
        ("deep objects", json, b"{\"a\":".repeat(100_000)),
        ("3 MiB", json, vec![b'x'; 3 << 20]),
        ("no known type", "text/x-nothing", b"{}".to_vec()),
        ("a type of no form", ";;;=", b"{}".to_vec()),
        ("a form without its key", form, b"a=b&name=%00".to_vec()),
        ("a form of 3 MiB", form, vec![b'a'; 3 << 20]),
        ("a form of bytes", form, b"%ff=%ff&\xff\xfe".to_vec()),
        (
            "a form of parts without an end",
            "multipart/form-data; boundary=B",
            b"--B\r\nContent-Disposition: form-data".to_vec(),
        ),
        ("a form of parts without a boundary", "multipart/form-data", b"--B--\r\n".to_vec()),
    ]
}

/// Addresses that change something and take no body: one that comes with it is not looked at.
fn takes_no_body(path: &str) -> bool {
    let is_order = path.ends_with("/start") || path.ends_with("/cancel") || path == "/api/push";
    let is_hydras = path == "/logout" || path.starts_with("/build/") || path.starts_with("/eval/");
    path.starts_with("/api/") && is_order || is_hydras
}

struct Suite {
    server: Server,
    token: String,
    cookie: String,
    table: BTreeSet<Route>,
    sent: BTreeMap<Route, usize>,
    /// Wrong answers: all of them are told at the end.
    wrong: Vec<String>,
}

impl Suite {
    /// A request in good form but for what it is given.
    fn request(&self, method: &str, target: &str, lines: &[u8], body: &[u8]) -> Vec<u8> {
        let mut request =
            format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n").into_bytes();
        let has = |name: &[u8]| lines.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name));
        if !has(b"authorization:") {
            let is_page = target.starts_with('/') && dialect_of_any(method, target) == Dialect::Page;
            let line = match is_page {
                true => format!("Cookie: {}\r\n", self.cookie),
                false => format!("Authorization: Bearer {}\r\n", self.token),
            };
            request.extend(line.into_bytes());
        }
        request.extend(dialect_of_any(method, target).accept().as_bytes());
        request.extend(lines);
        if !body.is_empty() {
            request.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        request.extend(b"\r\n");
        request.extend(body);
        request
    }

    /// Sends it, counts it, and sees that the server goes on.
    fn send(&mut self, route: &Route, what: &str, request: &[u8]) -> Option<Answer> {
        let what = format!("{} {}: {what}", route.method, route.path);
        *self.sent.entry(route.clone()).or_default() += 1;
        let mut answer = send(&self.server, &what, request);
        // A connection that is cut with bytes under way may take the answer with it.
        for _ in 0..5 {
            if answer.is_some() || request.len() < 1 << 20 {
                break;
            }
            answer = send(&self.server, &what, request);
        }
        let good = b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let goes_on = send(&self.server, "after it", good).is_some_and(|good| good.status == 200);
        self.check(goes_on, || format!("{what}: the server did not go on"));
        match &answer {
            None => self.wrong.push(format!("{what}: no answer")),
            Some(answer) => {
                // The seed calls a search for nothing the server's fault.
                let is_fine = answer.status < 500 || answer.status == 500 && route.path == "/search";
                self.check(is_fine, || format!("{what}: {answer:?}"));
                let is_clean = !answer.head.contains("text/html") || !answer.body.contains("<script>");
                self.check(is_clean, || format!("{what}: markup of the request is in the answer"));
            }
        }
        answer
    }

    fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    /// Sends it and wants one of these statuses; whatever wrote it.
    fn ends(&mut self, route: &Route, what: &str, request: &[u8], statuses: std::ops::Range<u16>) {
        if let Some(answer) = self.send(route, what, request) {
            let fits = statuses.contains(&answer.status);
            self.check(fits, || format!("{} {}: {what}: {answer:?}", route.method, route.path));
        }
    }

    /// Sends it and wants one of these statuses, in the dialect of the address.
    fn refused(&mut self, route: &Route, what: &str, request: &[u8], statuses: &[u16]) -> Option<Answer> {
        let answer = self.send(route, what, request)?;
        let fits = statuses.contains(&answer.status) && is_in(dialect(route), &answer);
        let what = format!("{} {}: {what}", route.method, route.path);
        self.check(fits, || format!("{what}: not {statuses:?} in its dialect: {answer:?}"));
        Some(answer)
    }

    /// Sends it; whatever is refused is refused in the dialect of the address.
    fn survives(&mut self, route: &Route, what: &str, request: &[u8]) {
        let Some(answer) = self.send(route, what, request) else { return };
        let fits = answer.status < 400 || answer.status == 416 || is_in(dialect(route), &answer);
        let what = format!("{} {}: {what}", route.method, route.path);
        self.check(fits, || format!("{what}: not in its dialect: {answer:?}"));
    }
}

/// The dialect of an address that may be no route.
fn dialect_of_any(method: &str, target: &str) -> Dialect {
    of_words(method, target.split('?').next().unwrap()).unwrap_or(Dialect::Page)
}

pub(super) fn is_in(dialect: Dialect, answer: &Answer) -> bool {
    let has_type = |kind: &str| answer.head.contains(&format!("content-type: {kind}"));
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let is_said = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_whole = match dialect {
        Dialect::GraphQl => has_type("application/json") && is_said(&json["errors"][0]["message"]),
        Dialect::Rest => {
            has_type("application/json") && (is_said(&json["errors"][0]["reason"]) || answer.body == "{}")
        }
        Dialect::Api => has_type("application/json") && is_said(&json["error"]) && is_said(&json["kind"]),
        Dialect::Hydra => has_type("application/json") && is_said(&json["error"]) && json["kind"].is_null(),
        Dialect::Repository if has_type("text/html") => return is_in(Dialect::Page, answer),
        Dialect::Vieter | Dialect::Repository => {
            let is_bare = has_type("text/plain") && answer.body.is_empty();
            is_bare || has_type("application/json") && is_said(&json["message"]) && json["data"] == ""
        }
        Dialect::Page => {
            let is_guarded = answer.head.contains("content-security-policy:");
            has_type("text/html") && answer.body.contains("</html>") && is_guarded
        }
    };
    is_whole && answer.head.contains("x-content-type-options: nosniff")
}

/// The address with this in its last variable part, or below it.
fn with(path: &str, value: &str) -> String {
    match path.rfind('{') {
        Some(at) => {
            let (before, rest) = (filled(&path[..at]), rest_of(&path[at..]));
            format!("{before}{value}{}", filled(rest))
        }
        None => format!("{}/{value}", path.trim_end_matches('/')),
    }
}

fn rest_of(path: &str) -> &str {
    path.split_once('}').unwrap().1
}

/// The address with something ordinary in each variable part.
pub(super) fn filled(path: &str) -> String {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, variable)) = rest.split_once('{') {
        let (name, after) = variable.split_once('}').unwrap();
        let value = match name {
            "user" | "name" => "admin",
            "log" => "setup",
            // One that is not there: what passes for a good request is not to end the suite's own.
            "token" => "999",
            "task" => "a",
            "repo" => REPO,
            "link" => "0123456789abcdef0123456789abcdef",
            "*path" | "*rest" => "some/where",
            _ => "1",
        };
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

async fn every_address_answers_hostile_requests_in_its_dialect(engine: Engine) {
    // How often somebody may ask is another test's.
    let often = [("ROPEWALK_LIMITS__REQUESTS_ANONYMOUS", "100000"), ("ROPEWALK_LIMITS__LOGINS", "100000")];
    let server = Server::start_on(engine, &["--no-runner"], &often).await;
    server.submit("image: host\ntasks:\n  - a: 'true'\n");
    let visitor = Visitor::admin(&server).await;
    let (token, cookie) = (server.token(), visitor.cookie.clone().unwrap());
    let table = all_routes();
    assert!(table.len() >= 74, "{table:?}");
    let suite = Suite { server, token, cookie, table, sent: BTreeMap::new(), wrong: vec![] };
    // Sockets that block are not for the test's own threads.
    tokio::task::spawn_blocking(move || go_through(suite)).await.unwrap();
}

fn go_through(mut suite: Suite) {
    for route in suite.table.clone() {
        methods(&mut suite, &route);
        addresses(&mut suite, &route);
        heads(&mut suite, &route);
        if ["POST", "PUT", "PATCH"].contains(&route.method.as_str()) {
            forms(&mut suite, &route);
        }
    }
    let all: usize = suite.sent.values().sum();
    println!("{all} hostile requests to {} routes", suite.sent.len());
    let short = |wrong: &String| wrong.chars().take(400).collect::<String>();
    let some: Vec<String> = suite.wrong.iter().take(60).map(short).collect();
    assert!(suite.wrong.is_empty(), "{} wrong answers:\n{}", suite.wrong.len(), some.join("\n"));
    assert!(all >= LEAST, "{all}");
    for route in &suite.table {
        let sent = suite.sent.get(route).copied().unwrap_or_default();
        assert!(sent >= LEAST_EACH, "{route:?} got {sent} hostile requests only");
    }
    let words = suite.server.words();
    assert!(!words.contains("a handler of") && !words.contains("panicked"), "{words}");
    let health = suite.request("GET", "/api/n1/jobs/1", b"", b"");
    assert_eq!(send(&suite.server, "at last", &health).unwrap().status, 200);
}

/// Methods that the address does not have.
fn methods(suite: &mut Suite, route: &Route) {
    // The other door at that address refuses them, and its own row sees to it.
    if (route.method.as_str(), route.path.as_str()) == ("POST", "/login") {
        return;
    }
    let path = filled(&route.path);
    let has: BTreeSet<String> = suite
        .table
        .iter()
        .filter(|other| other.path == route.path)
        .map(|other| other.method.clone())
        .collect();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
        if has.contains(method) || has.contains("*") {
            continue;
        }
        let request = suite.request(method, &path, b"", b"");
        // Vieter knows no other.
        let is_vieters = matches!(dialect(route), Dialect::Vieter | Dialect::Repository);
        let status = if is_vieters { 404 } else { 405 };
        let Some(answer) = suite.refused(route, method, &request, &[status]) else { continue };
        if is_vieters {
            continue;
        }
        let allow = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap_or_default();
        // Two doors share it, and neither knows what the other takes.
        let is_shared = route.path == "/login";
        let is_told = is_shared || has.iter().all(|method| allow.contains(&method.to_lowercase()));
        suite.check(is_told, || format!("{route:?}: {method}: Allow: {allow}"));
    }
}

fn addresses(suite: &mut Suite, route: &Route) {
    let method = if route.method == "*" { "GET" } else { &route.method };
    for value in CROOKED {
        let address = with(&route.path, value);
        let request = suite.request(method, &address, b"", b"");
        // Somebody called `..` is no way up.
        let is_name = address.starts_with("/~.") || address == "/~%2e%2e";
        suite.refused(route, value, &request, if is_name { &[404] } else { &[400] });
    }
    let long = with(&route.path, &"a".repeat(9000));
    let request = suite.request(method, &long, b"", b"");
    suite.refused(route, "9,000 letters", &request, &[400]);
    if !route.path.contains('{') {
        return;
    }
    for value in ODD {
        let request = suite.request(method, &with(&route.path, value), b"", b"");
        suite.survives(route, value, &request);
    }
}

fn heads(suite: &mut Suite, route: &Route) {
    let method = if route.method == "*" { "GET" } else { route.method.as_str() };
    let path = filled(&route.path);
    for (what, lines) in LINES {
        let request = suite.request(method, &path, lines, b"");
        suite.ends(route, what, &request, 400..401);
    }
    // RFC 9112, 6.1: the chunks count, and nothing after them is a request.
    let both = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n";
    let mut request = suite.request(method, &path, both, b"");
    let close = b"Connection: close\r\n";
    let at = request.windows(close.len()).position(|window| window == close).unwrap();
    request.drain(at..at + close.len());
    request.extend(b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    if let Some(answer) = suite.send(route, "two framings", &request) {
        let is_one = !answer.body.contains("HTTP/1.1");
        suite.check(is_one, || format!("{route:?}: two framings, two answers: {answer:?}"));
    }
    let large = format!("X: {}\r\n", "a".repeat(200 << 10));
    let many = "X: a\r\n".repeat(300);
    for (what, lines) in [("200 KiB in a line", large), ("300 lines", many)] {
        let request = suite.request(method, &path, lines.as_bytes(), b"");
        suite.ends(route, what, &request, 431..432);
    }
    for host in ["", "Host: a b\r\n", "Host: user@h\r\n", "Host: h\"\r\n", "Host: h\r\nHost: h\r\n"] {
        let accept = dialect(route).accept();
        let request = format!("{method} {path} HTTP/1.1\r\n{host}{accept}Connection: close\r\n\r\n");
        suite.refused(route, host, request.as_bytes(), &[400]);
    }
    for line in [
        format!("{method}  {path} HTTP/1.1"),
        format!("{method} {path} HTTP/9.9"),
        format!("{method} {path}\0 HTTP/1.1"),
        format!("{method} a{path} HTTP/1.1"),
    ] {
        suite.ends(route, &line, format!("{line}\r\nHost: h\r\n\r\n").as_bytes(), 400..500);
    }
    for lines in CREDENTIALS {
        let request = suite.request(method, &path, lines, b"");
        let what = String::from_utf8_lossy(lines).into_owned();
        suite.refused(route, &what, &request, &[400, 401, 403]);
    }
    if method == "GET" {
        for range in RANGES {
            let request = suite.request(method, &path, format!("Range: {range}\r\n").as_bytes(), b"");
            suite.survives(route, range, &request);
        }
        for query in QUERIES {
            let request = suite.request(method, &format!("{path}{query}"), b"", b"");
            suite.survives(route, query, &request);
        }
        let elsewhere = suite.request(method, &format!("http://evil.example{path}"), b"", b"");
        if let Some(answer) = suite.send(route, "an address elsewhere", &elsewhere) {
            let stays = !answer.head.contains("evil.example");
            suite.check(stays, || format!("{route:?}: leads elsewhere: {answer:?}"));
        }
    }
}

fn forms(suite: &mut Suite, route: &Route) {
    let path = filled(&route.path);
    for (what, kind, body) in bodies() {
        let request =
            suite.request(&route.method, &path, format!("Content-Type: {kind}\r\n").as_bytes(), &body);
        match takes_no_body(&route.path) {
            true => suite.survives(route, what, &request),
            false => drop(suite.refused(route, what, &request, &[400, 401, 403, 404, 411, 413, 415, 422])),
        }
    }
    if takes_no_body(&route.path) {
        return;
    }
    let lines = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let mut request = suite.request(&route.method, &path, lines, b"");
    request.extend(b"zz\r\nhello\r\n0\r\n\r\n");
    suite.refused(route, "chunks of no size", &request, &[400, 401, 403, 404, 411]);
}

/// Clients that send a head, or a body, and never its end.
#[tokio::test]
async fn nobody_holds_a_connection_by_being_slow() {
    let limits = [("ROPEWALK_LIMITS__HEAD_WITHIN", "2")];
    let server = Server::start_with_variables(&["--no-runner"], &limits).await;
    let token = server.token();
    let routes: Vec<Route> = all_routes().into_iter().filter(|route| !takes_no_body(&route.path)).collect();
    let slow = |route: &Route| {
        let method = if route.method == "*" { "GET" } else { &route.method };
        let line = format!("{method} {} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", filled(&route.path));
        let head = format!("{line}Authorization: Bearer {token}\r\n");
        match method {
            "POST" | "PUT" => {
                let kind = match dialect(route) {
                    Dialect::Page => "application/x-www-form-urlencoded",
                    _ => "application/json",
                };
                (true, format!("{head}Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n{{\"a"))
            }
            _ => (false, format!("{head}X-Slow: ")),
        }
    };
    std::thread::scope(|scope| {
        for some in routes.chunks(8) {
            let waiting: Vec<_> = some
                .iter()
                .map(|route| {
                    let ((has_body, request), server) = (slow(route), &server);
                    let what = format!("{} {}", route.method, route.path);
                    scope.spawn(move || (route, has_body, send(server, &what, request.as_bytes())))
                })
                .collect();
            for (route, has_body, answer) in waiting.into_iter().map(|thread| thread.join().unwrap()) {
                let status = answer.as_ref().map_or(408, |answer| answer.status);
                let fits = match has_body {
                    true => (400..500).contains(&status),
                    false => status == 408,
                };
                assert!(fits, "{route:?} within {SOON:?}: {answer:?}");
                if let Some(answer) = answer.filter(|_| has_body) {
                    let is_page = dialect(route) == Dialect::Page;
                    assert!(is_page || answer.body.starts_with('{'), "{route:?}: {answer:?}");
                }
            }
        }
    });
    assert_eq!(server.client().get("/readyz", None).await.0, 200);
}
