//! Introspection.

use super::farm::Farm;
use super::on_both_engines;
use crate::server::Engine;
use serde_json::json;

on_both_engines! {
    srht_51_introspection_names_every_type_of_the_schema
}

/// What tools ask when they start, as GraphiQL writes it.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description queryType { name } mutationType { name }
    subscriptionType { name } types { ...FullType } directives { name description isRepeatable locations
    args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL fields(includeDeprecated: true) { name description
    args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
    inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

async fn srht_51_introspection_names_every_type_of_the_schema(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let data = farm.ask(&farm.alice, INTROSPECTION, json!({})).await;
    let types: Vec<&str> = data["__schema"]["types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    let reference = include_str!("../../../../ropewalk-door-srht/tests/reference.graphql");
    let mut seen = 0;
    for line in reference.lines() {
        let mut words = line.split([' ', '{', '(']);
        if let (Some("type" | "interface" | "enum" | "input" | "scalar"), Some(name)) =
            (words.next(), words.next())
        {
            assert!(types.contains(&name), "{name} is not in {types:?}");
            seen += 1;
        }
    }
    assert!(seen > 35, "{seen}");
    let deferred = "query($id: Int!) { job(id: $id) { id ... @defer(label: \"x\") { status } } }";
    farm.ask(&farm.alice, deferred, json!({ "id": 1 })).await;
}
