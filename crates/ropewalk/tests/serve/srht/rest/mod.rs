//! The legacy REST interface through the real binary. Tests are named after rows of the acceptance table as well.

mod access;
mod forms;
mod groups;
mod hostile;
mod jobs;
mod scripts;

use super::farm::{Farm, MANIFEST};
use crate::server::answer;
use serde_json::{Value, json};

/// Status and body, with the token in upstream's own header.
async fn call(
    farm: &Farm,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = farm.client.request(method, path, None);
    if let Some(token) = token {
        request = request.header("authorization", format!("token {token}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    answer(request).await
}

/// The answer of a request of alice's that must succeed.
async fn done(farm: &Farm, method: &str, path: &str, body: Option<Value>) -> Value {
    let (status, answer) = call(farm, method, path, Some(&farm.alice), body).await;
    assert_eq!(status, 200, "{method} {path}: {answer:#}");
    answer
}

/// A pending job of alice's.
async fn pending(farm: &Farm) -> i64 {
    let body = json!({ "manifest": MANIFEST, "execute": false });
    done(farm, "POST", "/api/jobs", Some(body)).await["id"].as_i64().unwrap()
}

fn missing() -> (u16, Value) {
    (404, json!({ "errors": [{ "reason": "404 not found" }] }))
}

/// Fields that the errors of an answer are about.
fn fields(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("no errors: {answer}"));
    assert!(errors.iter().all(|error| !error["reason"].as_str().unwrap().is_empty()), "{answer}");
    errors.iter().map(|error| error["field"].as_str().unwrap_or_default()).collect()
}
