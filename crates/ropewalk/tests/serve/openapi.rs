//! The description of `/api/n1` and what it answers are one.

use crate::server::{Engine, Server};
use serde_json::{Value, json};

/// What a call of a route needs that the description does not say: its path's values and its body.
fn example(method: &str, path: &str) -> Option<Value> {
    match (method, path) {
        ("post", "/api/n1/jobs") => Some(json!({ "manifest": "image: host\ntasks:\n  - a: 'true'\n" })),
        ("post", "/api/n1/login") => Some(json!({ "name": "ann", "password": "battery staple" })),
        ("post", "/api/n1/users") => Some(json!({ "name": "newcomer", "password": "correct horse" })),
        ("put", _) => Some(json!({ "password": "battery staple" })),
        ("post", "/api/n1/users/{name}/tokens") => {
            Some(json!({ "grants": "JOBS:RO", "comment": "x", "lifetime": 60 }))
        }
        _ => None,
    }
}

fn fill(path: &str, token: &str) -> String {
    let path = path.replace("{job}", "1").replace("{log}", "setup").replace("{artifact}", "1");
    path.replace("{name}", "ann").replace("{token}", token)
}

/// Every problem of a value with a schema of the description.
fn misfits(api: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let name = name.trim_start_matches("#/components/schemas/");
        return misfits(api, &api["components"]["schemas"][name], value, at, found);
    }
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        misfits(api, part, value, at, found);
    }
    if let Some(any) = schema.get("oneOf").and_then(Value::as_array) {
        let fits = |part: &&Value| {
            let mut found = vec![];
            misfits(api, part, value, at, &mut found);
            found.is_empty()
        };
        if !any.iter().any(|part| fits(&part)) {
            found.push(format!("{at}: {value} fits none of {any:?}"));
        }
    }
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => true,
    };
    if !kinds.is_empty() && !kinds.iter().any(is) {
        found.push(format!("{at}: {value} is no {kinds:?}"));
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(value) = value.get(name) {
            misfits(api, property, value, &format!("{at}.{name}"), found);
        }
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        misfits(api, &schema["items"], item, &format!("{at}[{n}]"), found);
    }
}

#[tokio::test]
async fn every_route_is_described_and_answers_as_described() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = "image: host\nartifacts: [f]\ntasks:\n  - a: echo x > f\n";
    assert!(server.run(&["submit", "--follow", &server.manifest(manifest)]).status.success());
    server.done(&["user", "create", "ann"]);
    server.done(&["token", "create", "--user", "ann"]);
    let number = server.json(&["token", "list", "--user", "ann", "--json"])[0]["id"].to_string();
    let token = server.token();
    let client = server.client();
    let (status, api) = client.get("/api/n1/openapi.json", None).await;
    assert_eq!((status, api["openapi"].as_str().unwrap().starts_with("3.1")), (200, true));
    let mut calls = vec![];
    for (path, methods) in api["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{method} {path}"
            );
            calls.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    assert!(calls.len() >= 22, "{} routes are described", calls.len());
    // Passwords before log-ins, deletions last.
    calls.sort_by_key(|(method, path, _)| (method == "delete", path == "/api/n1/login", path.clone()));
    for (method, path, operation) in calls {
        for token in [Some(token.as_str()), None] {
            let mut request = client.request(&method.to_uppercase(), &fill(&path, &number), token);
            if let Some(body) = example(&method, &path) {
                request = request.json(&body);
            }
            let response = request.send().await.unwrap();
            let status = response.status().as_u16().to_string();
            let kind =
                response.headers().get("content-type").map(|value| value.to_str().unwrap().to_string());
            let kind = kind.unwrap_or_default().split(';').next().unwrap().to_string();
            let bytes = response.bytes().await.unwrap();
            let called = format!(
                "{method} {path} {} -> {status} {kind}",
                token.map_or("without token", |_| "with token")
            );
            let described =
                operation["responses"].get(&status).unwrap_or_else(|| panic!("{called} is not described"));
            if token.is_some() {
                assert!(
                    status.starts_with('2') || path.ends_with("/start") || path.ends_with("/cancel"),
                    "{called}"
                );
            }
            let Some(content) = described.get("content") else {
                assert!(bytes.is_empty(), "{called} has a body");
                continue;
            };
            let schema = content.get(&kind).unwrap_or_else(|| panic!("{called}: described is {content}"));
            if kind == "application/json" {
                let value: Value = serde_json::from_slice(&bytes).unwrap();
                let mut found = vec![];
                misfits(&api, &schema["schema"], &value, "", &mut found);
                assert!(found.is_empty(), "{called}: {found:?}");
            }
        }
    }
}
