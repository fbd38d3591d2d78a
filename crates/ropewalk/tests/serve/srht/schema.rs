//! Introspection.

use super::farm::Farm;
use super::on_both_engines;
use crate::server::Engine;
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_both_engines! {
    srht_51_introspection_names_every_member_of_the_schema
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

/// `name: type`, or only the name of what has no type.
fn typed(member: &Value) -> String {
    match member.get("type") {
        Some(of) => format!("{}: {}", member["name"].as_str().unwrap(), type_text(of)),
        None => member["name"].as_str().unwrap().to_string(),
    }
}

/// A type as SDL writes it.
fn type_text(of: &Value) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", type_text(&of["ofType"])),
        "LIST" => format!("[{}]", type_text(&of["ofType"])),
        _ => of["name"].as_str().unwrap().to_string(),
    }
}

/// `Type`, `Type.member: type` and `Type.member(argument: type)` of an answer to [`INTROSPECTION`].
fn introspected(types: &Value) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut members = BTreeSet::new();
    for of in list(types) {
        let name = of["name"].as_str().unwrap();
        members.insert(name.to_string());
        for member in ["fields", "inputFields", "enumValues"].into_iter().flat_map(|kind| list(&of[kind])) {
            members.insert(format!("{name}.{}", typed(&member)));
            for argument in list(&member["args"]) {
                members.insert(format!("{name}.{}({})", member["name"].as_str().unwrap(), typed(&argument)));
            }
        }
    }
    members
}

/// The same of the reference, which has each member on a line of its own.
fn referred(sdl: &str) -> BTreeSet<String> {
    let mut members = BTreeSet::new();
    let mut of = "";
    for line in sdl.lines() {
        let line = line.split(" @").next().unwrap();
        if let Some(member) = line.strip_prefix("  ").filter(|member| !member.starts_with('"')) {
            let (name, rest) = member.split_at(member.find(['(', ':']).unwrap_or(member.len()));
            let (arguments, kind) = rest.strip_prefix('(').map_or(("", rest), |r| r.split_once(')').unwrap());
            members.insert(format!("{of}.{name}{kind}"));
            for argument in arguments.split(", ").filter(|argument| !argument.is_empty()) {
                let argument = argument.split(" = ").next().unwrap();
                members.insert(format!("{of}.{name}({argument})"));
            }
        } else if let Some((kind, rest)) = line.split_once(' ')
            && ["type", "interface", "enum", "input", "scalar"].contains(&kind)
        {
            of = rest.split([' ', '{']).next().unwrap();
            members.insert(of.to_string());
        }
    }
    members
}

async fn srht_51_introspection_names_every_member_of_the_schema(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let data = farm.ask(&farm.alice, INTROSPECTION, json!({})).await;
    let (found, reference) = (
        introspected(&data["__schema"]["types"]),
        referred(include_str!("../../../../ropewalk-door-srht/tests/reference.graphql")),
    );
    assert!(reference.len() > 200, "{reference:#?}");
    let missing: Vec<&String> = reference.difference(&found).collect();
    assert!(missing.is_empty(), "not told: {missing:#?}");
    let deferred = "query($id: Int!) { job(id: $id) { id ... @defer(label: \"x\") { status } } }";
    farm.ask(&farm.alice, deferred, json!({ "id": 1 })).await;
}
