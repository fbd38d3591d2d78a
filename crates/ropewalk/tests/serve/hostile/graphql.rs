//! Requests that no well-meaning client sends: each gets an error of this dialect, none a server error, none hangs.

use super::SOON;
use crate::server::Engine;
use crate::srht::farm::{Farm, MANIFEST};
use crate::srht::on_both_engines;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

on_both_engines! {
    malformed_requests_get_errors_of_this_dialect
}

const JSON: &str = "application/json";

/// One request and the status that it must get.
struct Bad {
    what: &'static str,
    kind: &'static str,
    body: Vec<u8>,
    status: u16,
}

fn bad(what: &'static str, kind: &'static str, body: impl Into<Vec<u8>>, status: u16) -> Bad {
    Bad { what, kind, body: body.into(), status }
}

fn document(what: &'static str, query: impl Into<String>, status: u16) -> Bad {
    bad(what, JSON, json!({ "query": query.into() }).to_string(), status)
}

fn variables(what: &'static str, query: &str, variables: Value, status: u16) -> Bad {
    bad(what, JSON, json!({ "query": query, "variables": variables }).to_string(), status)
}

fn form(what: &'static str, text: impl Into<String>, status: u16) -> Bad {
    bad(what, "multipart/form-data; boundary=B", text.into(), status)
}

fn bodies() -> Vec<Bad> {
    vec![
        bad("nothing", JSON, "", 400),
        bad("half an object", JSON, "{", 400),
        bad("null", JSON, "null", 400),
        bad("a list", JSON, r#"[{"query":"{version{major}}"}]"#, 400),
        bad("a number", JSON, "5", 400),
        bad("a NUL", JSON, "\0", 400),
        bad("bytes that are not UTF-8", JSON, b"{\"query\":\"\xff\xfe\"}".to_vec(), 400),
        bad("half a surrogate", JSON, r#"{"query":"\ud800"}"#, 400),
        bad("an object without a query", JSON, "{}", 422),
        bad("an empty query", JSON, r#"{"query":""}"#, 422),
        bad("a query that is a number", JSON, r#"{"query":5}"#, 400),
        bad("a query that is null", JSON, r#"{"query":null}"#, 422),
        bad("variables in a list", JSON, r#"{"query":"{version{major}}","variables":[]}"#, 400),
        bad("variables as text", JSON, r#"{"query":"{version{major}}","variables":"{}"}"#, 400),
        bad(
            "an operation name that is a number",
            JSON,
            r#"{"query":"{version{major}}","operationName":5}"#,
            400,
        ),
        bad(
            "an operation that is not there",
            JSON,
            r#"{"query":"query a{version{major}}","operationName":"b"}"#,
            422,
        ),
        bad("a query twice", JSON, r#"{"query":"{version{major}}","query":"{me{id}}"}"#, 400),
        bad(
            "deep JSON",
            JSON,
            format!("{{\"query\":\"{{a}}\",\"variables\":{}", "{\"a\":".repeat(50_000)),
            400,
        ),
        bad("deep lists", JSON, "[".repeat(500_000), 400),
        bad("2 MiB of JSON", JSON, format!("{{\"query\":\"{}\"}}", "a".repeat(2 << 20)), 413),
        bad("no type", "", "{}", 415),
        bad("text", "text/plain", r#"{"query":"{version{major}}"}"#, 415),
        bad("a form", "application/x-www-form-urlencoded", "query=%7Ba%7D", 415),
        bad("an unknown type", "application/graphql", "{version{major}}", 415),
        bad("a type of no form", ";;;=", "{}", 415),
    ]
}

fn documents() -> Vec<Bad> {
    let deep = format!("{}{}", "{a".repeat(20_000), "}".repeat(20_000));
    let spreads = |n: usize| -> String {
        (0..n).map(|at| format!(" fragment f{at} on Query {{ ...f{} ...f{} }}", at + 1, at + 1)).collect()
    };
    vec![
        document("a bracket too few", "{ version { major }", 422),
        document("a bracket too many", "{ version { major } }}", 422),
        document("no field", "{ }", 422),
        document("only a comment", "# nothing", 422),
        document("only a fragment", "fragment f on Query { version { major } }", 422),
        document("a text without an end", "{ job(id: \"", 422),
        document("a block without an end", "{ job(id: \"\"\"", 422),
        document("a NUL in the middle", "{ ver\0sion }", 422),
        document("letters of another script", "{ vérsion }", 422),
        document("very deep selections", deep, 422),
        document("very deep lists", format!("{{a(b:{}{})}}", "[".repeat(20_000), "]".repeat(20_000)), 422),
        document("very deep objects", format!("{{a(b:{}1{})}}", "{a:".repeat(9_000), "}".repeat(9_000)), 422),
        document("only open brackets", "{".repeat(100_000), 422),
        document("a document of 200 KiB", format!("{{ a }} #{}", "x".repeat(200 << 10)), 413),
        document(
            "a circle of fragments",
            "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
            422,
        ),
        document("a fragment in itself", "{ ...a } fragment a on Query { ...a }", 422),
        document(
            "fragments that double 60 times",
            format!("{{ ...f0 }} {} fragment f60 on Query {{ version {{ major }} }}", spreads(60)),
            422,
        ),
        document(
            "a long chain of fragments",
            format!(
                "{{ ...f0 }} {}",
                (0..2000)
                    .map(|at| format!(" fragment f{at} on Query {{ ...f{} }}", at + 1))
                    .collect::<String>()
            ),
            422,
        ),
        document("a fragment that is not there", "{ ...nothing }", 422),
        document(
            "a fragment that nobody uses",
            "{ version { major } } fragment f on Query { me { id } }",
            422,
        ),
        document("a fragment on no type", "{ ... on Nothing { id } }", 422),
        document(
            "a thousand aliases",
            format!(
                "{{ {} }}",
                (0..1000).map(|at| format!("a{at}: version {{ major }} ")).collect::<String>()
            ),
            422,
        ),
        document("fields that contradict each other", "{ a: job(id: 1) { id } a: job(id: 2) { id } }", 422),
        document("an unknown field", "{ jobz { id } }", 422),
        document("an unknown argument", "{ job(id: 1, force: true) { id } }", 422),
        document("an argument twice", "{ job(id: 1, id: 2) { id } }", 422),
        document("a missing argument", "{ job { id } }", 422),
        document("fields of a number", "{ job(id: 1) { id { x } } }", 422),
        document("an object without fields", "{ version }", 422),
        document(
            "an unknown word of an enum",
            "mutation { update(jobId: 1, visibility: SECRET) { id } }",
            422,
        ),
        document("a subscription", "subscription { version { major } }", 422),
        document("an unknown directive", "{ version @nothing { major } }", 422),
        document("a directive in the wrong place", "{ version @defer { major } }", 422),
        document("a rule of the schema as a directive", "{ version @worker { major } }", 422),
        document("two operations without a name", "{ version { major } } { me { id } }", 422),
        document("two operations and no choice", "query a { version { major } } query b { me { id } }", 422),
        document("an operation twice", "query a { version { major } } query a { me { id } }", 422),
        document("a variable that was not declared", "{ job(id: $id) { id } }", 422),
        document("a variable twice", "query($a: Int!, $a: Int!) { job(id: $a) { id } }", 422),
        document("a variable of no type", "query($a: Nothing) { version { major } }", 422),
        document(
            "types of the schema in types of the schema",
            "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }",
            422,
        ),
        document("a number of 5,000 digits", format!("{{ job(id: {}) {{ id }} }}", "9".repeat(5000)), 422),
        document("a broken escape", r#"{ userByName(username: "\q") { id } }"#, 422),
        document(
            "a file as text",
            "mutation { createArtifact(jobId: 1, path: \"x\", contents: \"x\") { id } }",
            422,
        ),
        document(
            "many operations",
            (0..3000).map(|at| format!("query q{at} {{ version {{ major }} }} ")).collect::<String>(),
            422,
        ),
    ]
}

fn values() -> Vec<Bad> {
    let job = "query($id: Int!) { job(id: $id) { id } }";
    let submit = "mutation($m: String!, $t: [String!], $n: String) { submit(manifest: $m, tags: $t, note: $n) { id } }";
    vec![
        variables("a number too few", job, json!({}), 422),
        variables("null for a number", job, json!({ "id": null }), 422),
        variables("words for a number", job, json!({ "id": "one" }), 0),
        variables("a list for a number", job, json!({ "id": [1] }), 0),
        variables("an object for a number", job, json!({ "id": { "a": 1 } }), 0),
        variables("a fraction for a number", job, json!({ "id": 1.5 }), 0),
        variables("a number past 64 bits", job, json!({ "id": 1e30 }), 0),
        variables("a number for a text", submit, json!({ "m": 5 }), 0),
        variables("null for a text", submit, json!({ "m": null }), 422),
        variables("NULs everywhere", submit, json!({ "m": "\0", "t": ["\0"], "n": "\0" }), 200),
        variables("a NUL in a note", submit, json!({ "m": MANIFEST, "n": "\0" }), 200),
        variables("a NUL in a tag", submit, json!({ "m": MANIFEST, "t": ["\0"] }), 200),
        variables("a NUL in the image", submit, json!({ "m": "image: \"h\\0\"\ntasks: [{a: x}]" }), 200),
        variables("a thousand tags", submit, json!({ "m": MANIFEST, "t": vec!["x"; 1000] }), 200),
        variables("a long note", submit, json!({ "m": MANIFEST, "n": "x".repeat(5000) }), 200),
        variables("a null among tags", submit, json!({ "m": MANIFEST, "t": [null] }), 0),
        variables("a manifest of 100 KiB", submit, json!({ "m": "x".repeat(100 << 10) }), 200),
        variables(
            "YAML that doubles",
            submit,
            json!({ "m": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nimage: [*c,*c]\n" }),
            200,
        ),
        variables(
            "a garbled cursor",
            "query($c: Cursor) { jobs(cursor: $c) { cursor } }",
            json!({ "c": "\u{202e}" }),
            200,
        ),
        variables(
            "a number for a cursor",
            "query($c: Cursor) { jobs(cursor: $c) { cursor } }",
            json!({ "c": 5 }),
            0,
        ),
        variables(
            "a thousand jobs for a group",
            "mutation($j: [Int!]!) { createGroup(jobIds: $j) { id } }",
            json!({ "j": (0..2000).collect::<Vec<_>>() }),
            200,
        ),
        variables(
            "the least number",
            "mutation($id: Int!) { cancel(jobId: $id) { id } }",
            json!({ "id": i64::MIN }),
            200,
        ),
        variables(
            "the greatest number",
            "mutation($id: Int!) { start(jobID: $id) { id } }",
            json!({ "id": i64::MAX }),
            200,
        ),
        variables(
            "a group that is not there",
            "mutation($id: Int!) { startGroup(groupId: $id) { id } }",
            json!({ "id": -1 }),
            200,
        ),
    ]
}

fn forms() -> Vec<Bad> {
    let operations = "--B\r\nContent-Disposition: form-data; name=operations\r\n\r\n{\"query\":\"{version{major}}\",\"variables\":{\"f\":null}}\r\n";
    let map = "--B\r\nContent-Disposition: form-data; name=map\r\n\r\n{\"f\":[\"variables.f\"]}\r\n";
    let file = "--B\r\nContent-Disposition: form-data; name=f; filename=x\r\n\r\nx\r\n";
    vec![
        bad("no boundary", "multipart/form-data", "x", 400),
        bad("a boundary of nothing", "multipart/form-data; boundary=", "x", 400),
        form("nothing", "", 400),
        form("no multipart", "hello", 400),
        form("only an end", "--B--\r\n", 400),
        form("no end", format!("{operations}{map}{file}"), 400),
        form("no operations", format!("{map}{file}--B--\r\n"), 400),
        form("no map", format!("{operations}{file}--B--\r\n"), 400),
        form("no file", format!("{operations}{map}--B--\r\n"), 400),
        form("the file first", format!("{file}{operations}{map}--B--\r\n"), 400),
        form(
            "a file that is not in the map",
            format!("{operations}{map}{file}{}--B--\r\n", file.replace("name=f", "name=g")),
            400,
        ),
        form("broken JSON", format!("{}{map}{file}--B--\r\n", operations.replace('{', "")), 400),
        form(
            "a broken map",
            format!("{operations}{}{file}--B--\r\n", map.replace("[\"variables.f\"]", "5")),
            400,
        ),
        form(
            "a map to nowhere",
            format!("{operations}{}{file}--B--\r\n", map.replace("variables.f", "variables.g.h.0")),
            400,
        ),
        form(
            "a map to the query",
            format!("{operations}{}{file}--B--\r\n", map.replace("variables.f", "query")),
            400,
        ),
        form("a part without a name", format!("{operations}{map}--B\r\n\r\nx\r\n--B--\r\n"), 400),
        form("a head without an end", format!("--B\r\nX: {}", "x".repeat(3 << 20)), 400),
        form("a hundred parts", format!("{}--B--\r\n", map.repeat(100)), 400),
    ]
}

async fn malformed_requests_get_errors_of_this_dialect(engine: Engine) {
    let farm = Farm::idle(engine).await;
    farm.submit(MANIFEST, "").await;
    let all: Vec<Bad> = [bodies(), documents(), values(), forms()].into_iter().flatten().collect();
    assert!(all.len() >= 100, "{}", all.len());
    for Bad { what, kind, body, status } in all {
        let request = farm.client.request("POST", "/query", Some(&farm.alice)).body(body);
        let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
        let response = tokio::time::timeout(SOON, request.send()).await;
        let response = response.unwrap_or_else(|_| panic!("{what}: no answer"));
        let response = response.unwrap_or_else(|error| panic!("{what}: {error}"));
        let (found, bytes) = (response.status().as_u16(), response.bytes().await.unwrap());
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{what}: {found}: {e}"));
        let words = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(!words.is_empty() && words.len() < 4000, "{what}: {found}: {answer}");
        match status {
            0 => assert!(matches!(found, 200 | 422), "{what}: {found}: {answer}"),
            status => assert_eq!(found, status, "{what}: {answer}"),
        }
    }
    // Nothing of all this did anything, and the server goes on.
    let data = farm.ask(&farm.alice, "{ jobs { results { id status } } }", json!({})).await;
    assert_eq!(data["jobs"]["results"], json!([{ "id": 1, "status": "QUEUED" }]));
    assert!(!farm.server.words().contains("a handler of"), "{}", farm.server.words());
}

/// Lines of a head that no client library would send; the first line's target and what must come back.
const HEADS: &[(&str, &str, u16)] = &[
    ("/query/log/%31/log", "Range: bytes=0-\r\n", 404),
    ("/query/log/1%2Flog/log", "", 400),
    ("/query/log/../log", "", 400),
    ("/query/log/%00/log", "", 400),
    ("/query/log/%ff/log", "", 400),
    ("/query/log/1/%2e%2e/log", "", 400),
    ("/query/log/18446744073709551616/log", "", 400),
    ("/query/log/1/log?x=%", "", 404),
    ("/query/nothing", "", 404),
    ("/query//", "", 404),
    ("/query?query=%7Bversion%7Bmajor%7D%7D&query=x", "", 400),
    ("/query?query=%ff", "", 422),
    ("/query?variables=%7B", "", 400),
    ("/query", "Content-Type: application/json\r\nContent-Type: text/plain\r\n", 422),
    ("/query", "Authorization: Bearer x\r\n", 400),
    ("/query", "X-Api-Key: x\r\n", 400),
];

#[tokio::test]
async fn odd_heads_are_answered() {
    let farm = Farm::idle(Engine::Sqlite).await;
    farm.submit(MANIFEST, "").await;
    let address = farm.server.origin.trim_start_matches("http://").to_string();
    for (target, lines, status) in HEADS {
        let token = &farm.alice;
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n{lines}Connection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![];
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{target}: {error}"));
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {lines}: {answer}");
        assert!(answer.contains("\"errors\":[{"), "{target} {lines}: {answer}");
    }
}

#[tokio::test]
async fn ranges_of_every_form_are_answered() {
    let farm = Farm::busy(Engine::Sqlite).await;
    let id = farm.submit(MANIFEST, "").await;
    farm.wait(id, "SUCCESS").await;
    for range in [
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=+1-2",
        "bytes=0-0,2-3",
        "lines=0-1",
        "=0-1",
        "bytes=0x1-2",
        "bytes=1--2",
        "bytes=--1",
        "bytes=99999999999999999999999-",
        "bytes=-0",
        "bytes=-99999999999999999999",
        "bytes=0-99999999999999999999",
        "bytes = 0 - 1",
        "BYTES=0-1",
        "bytes=0-1;x",
        "bytes=\u{e9}",
    ] {
        let request = farm.client.request("GET", &format!("/query/log/{id}/a/log"), Some(&farm.alice));
        let value = reqwest::header::HeaderValue::from_bytes(range.as_bytes()).unwrap();
        let response = request.header("range", value).timeout(SOON).send().await.unwrap();
        assert!(matches!(response.status().as_u16(), 200 | 206 | 416), "{range}: {}", response.status());
    }
}
