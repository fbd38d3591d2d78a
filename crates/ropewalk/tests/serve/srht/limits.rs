//! Limits of documents and answers.

use super::farm::{Farm, MANIFEST};
use super::on_both_engines;
use crate::server::{Engine, PATIENCE};
use serde_json::{Value, json};
use std::time::Instant;

on_both_engines! {
    srht_50_documents_that_are_wrong_or_too_complex
}

async fn srht_50_documents_that_are_wrong_or_too_complex(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let many: String = (0..300).map(|at| format!("a{at}: major ")).collect();
    for (query, code) in [
        ("{ version { major }".to_string(), "GRAPHQL_PARSE_FAILED"),
        ("{ version { nothing } }".into(), "GRAPHQL_VALIDATION_FAILED"),
        ("{ job { id } }".into(), "GRAPHQL_VALIDATION_FAILED"),
        ("{ job(id: 1) }".into(), "GRAPHQL_VALIDATION_FAILED"),
        ("{ job(id: \"1\") { id } }".into(), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { version }".into(), "GRAPHQL_VALIDATION_FAILED"),
        (format!("{{ version {{ {many} }} }}"), "COMPLEXITY_LIMIT_EXCEEDED"),
    ] {
        let (status, body) = farm.post(&farm.alice, &query, json!({})).await;
        assert_eq!((status, &body["data"]), (422, &Value::Null), "{query}: {body}");
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{query}: {body}");
    }
    let (_, body) = farm.post(&farm.alice, &format!("{{ version {{ {many} }} }}"), json!({})).await;
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("operation has complexity 301, which exceeds the limit of 250"), "{message}");
}

#[tokio::test]
async fn limits_have_names_and_are_kept() {
    let farm = Farm::with_limits(&[
        ("ROPEWALK_LIMITS__GRAPHQL_COMPLEXITY", "60"),
        ("ROPEWALK_LIMITS__GRAPHQL_DEPTH", "6"),
        ("ROPEWALK_LIMITS__GRAPHQL_QUERY", "2000"),
        ("ROPEWALK_LIMITS__GRAPHQL_OBJECTS", "20"),
        ("ROPEWALK_LIMITS__GRAPHQL_BYTES", "300"),
    ])
    .await;
    for _ in 0..5 {
        farm.submit(MANIFEST, "").await;
    }
    let aliases: String = (0..30).map(|at| format!("a{at}: manifest ")).collect();
    for (query, limit) in [
        (format!("{{ version {{ {} }} }}", "major ".repeat(60)), "graphql-complexity"),
        ("{ jobs { results { tasks { job { tasks { job { id } } } } } } }".into(), "graphql-depth"),
        (format!("{{ version {{ major }} }} # {}", "x".repeat(2000)), "graphql-query"),
        ("{ a: jobs { results { id } } b: jobs { results { id } } c: jobs { results { id } } d: jobs { results { id } } e: jobs { results { id } } }".into(), "graphql-objects"),
        (format!("{{ job(id: 1) {{ {aliases} }} }}"), "graphql-bytes"),
    ] {
        let errors = farm.refused(&farm.alice, &query, json!({})).await;
        let message = errors[0]["message"].as_str().unwrap();
        assert!(message.contains(&format!("limits.{limit}")), "{query}: {message}");
    }
    farm.ask(&farm.alice, "{ jobs { results { id tasks { id } } } }", json!({})).await;
}

#[tokio::test]
async fn a_query_that_multiplies_ends_in_its_time_and_others_are_served_meanwhile() {
    let farm = Farm::with_limits(&[
        ("ROPEWALK_LIMITS__GRAPHQL_TIME", "1"),
        ("ROPEWALK_LIMITS__GRAPHQL_OBJECTS", "100000000"),
    ])
    .await;
    for _ in 0..25 {
        farm.submit(MANIFEST, "").await;
    }
    let level = |inner: &str| format!("owner {{ ... on User {{ jobs {{ results {{ {inner} }} }} }} }}");
    let query = format!("{{ jobs {{ results {{ {} }} }} }}", level(&level(&level(&level("id")))));
    let begun = Instant::now();
    let errors = farm.refused(&farm.alice, &query, json!({})).await;
    assert_eq!(errors[0]["extensions"]["code"], "ERR_TIMEOUT", "{errors:?}");
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    farm.ask(&farm.alice, "{ version { major } }", json!({})).await;
}
