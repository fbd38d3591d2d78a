//! What clients of 2020 were told: addresses, statuses, members and their types. This door's description says the same,
//! but for what `docs/quirks.md` has a reason for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::DESCRIPTION;
use serde_json::Value;
use std::collections::BTreeSet;

/// Method, address, status and shape of an answer. `*` stands for a variable word, `[X]` for a list of `X`.
const ANSWERS: &[(&str, &str, &str, &str)] = &[
    ("post", "/login", "200", "User"),
    ("post", "/login", "403", "Error"),
    ("get", "/", "200", "[Project]"),
    ("put", "/api/push", "200", "Pushed"),
    ("get", "/api/jobsets", "200", "[JobsetOverview]"),
    ("get", "/api/jobsets", "404", "Error"),
    ("get", "/search", "200", "Found"),
    ("get", "/search", "500", "Error"),
    ("put", "/project/*", "200", "Redirect"),
    ("put", "/project/*", "201", "Made"),
    ("put", "/project/*", "403", "Error"),
    ("get", "/project/*", "200", "Project"),
    ("get", "/project/*", "404", "Error"),
    ("put", "/jobset/*/*", "200", "Redirect"),
    ("put", "/jobset/*/*", "201", "Made"),
    ("get", "/jobset/*/*", "200", "Jobset"),
    ("get", "/jobset/*/*", "404", "Error"),
    ("get", "/jobset/*/*/evals", "200", "[Evaluations]"),
    ("get", "/jobset/*/*/evals", "404", "Error"),
    ("get", "/job/*/*/*/shield", "200", "Shield"),
    ("get", "/build/*", "200", "Build"),
    ("get", "/build/*", "404", "Error"),
    ("get", "/eval/*", "200", "Evaluation"),
];

/// Members of a shape. `{X}` is an object of `X` with any names, `?` what may be null.
const SHAPES: &[(&str, &str)] = &[
    ("Error", "error: string"),
    ("User", "username: string, fullname: string?, emailaddress: string, userroles: [string]"),
    ("Pushed", "jobsetsTriggered: [string]"),
    ("Redirect", "redirect: string"),
    ("Made", "uri: string, name: string, redirect: string, type: string"),
    ("Found", "jobsets: [Jobset], projects: [Project], builds: [Build], buildsdrv: [Build]"),
    (
        "Project",
        "owner: string, name: string, displayname: string, description: string, hidden: boolean, enabled: boolean, \
         jobsets: [string]",
    ),
    (
        "Jobset",
        "fetcherrormsg: string?, nixexprinput: string, errormsg: string, emailoverride: string, nixexprpath: string?, \
         enabled: boolean, jobsetinputs: {Alternatives}",
    ),
    ("Alternatives", "jobsetinputalts: [string]"),
    (
        "JobsetOverview",
        "name: string, project: string, nrtotal: integer, checkinterval: integer, haserrormsg: boolean, \
         nrscheduled: integer, nrfailed: integer, errortime: integer, fetcherrormsg: string?, starttime: integer?, \
         lastcheckedtime: integer, triggertime: integer?",
    ),
    ("Evaluations", "first: string, next: string, last: string, evals: [{Evaluation}]"),
    (
        "Evaluation",
        "id: integer, hasnewbuilds: boolean, builds: [integer], jobsetevalinputs: {EvaluationInput}",
    ),
    (
        "EvaluationInput",
        "uri: string?, type: string, revision: string?, value: boolean?, dependency: string?",
    ),
    ("Shield", "color: string, schemaVersion: integer, label: string, message: string"),
    (
        "Build",
        "id: integer, starttime: integer, stoptime: integer, timestamp: integer, jobsetevals: [integer], \
         finished: boolean, nixname: string, buildstatus: integer?, jobset: string, priority: integer, job: string, \
         drvpath: string, system: string, project: string, buildproducts: {Product}, buildoutputs: {Output}, \
         buildmetrics: Metrics",
    ),
    (
        "Product",
        "filesize: integer?, defaultpath: string, type: string, name: string, path: string, subtype: string, \
         sha256hash: string?",
    ),
    ("Output", "path: string"),
    ("Metrics", "name: string, value: string, unit: string"),
];

/// Where this door differs, and which quirk says why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("get /jobset/*/*/evals 200", "H18"),
    ("Jobset.enabled", "H18"),
    ("JobsetOverview.errortime", "H18"),
    ("JobsetOverview.lastcheckedtime", "H18"),
    ("Evaluations.evals", "H18"),
    ("Evaluation.hasnewbuilds", "H18"),
    ("EvaluationInput.value", "H18"),
    ("EvaluationInput.dependency", "H18"),
    ("Build.finished", "H18"),
    ("Build.starttime", "H18"),
    ("Build.stoptime", "H18"),
    ("Build.buildmetrics", "H18"),
    ("Output.path", "H18"),
];

struct Reading {
    described: Value,
    differ: BTreeSet<String>,
    seen: BTreeSet<String>,
}

impl Reading {
    /// What a reference leads to.
    fn whole<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(address) => self.whole(self.described.pointer(address.trim_start_matches('#')).unwrap()),
            None => value,
        }
    }

    /// Whether all that a schema allows was told to clients before.
    fn fits(&mut self, schema: &Value, told: &str) -> bool {
        let schema = self.whole(schema).clone();
        if let Some(item) = told.strip_prefix('[').and_then(|told| told.strip_suffix(']')) {
            return kinds(&schema) == ["array"] && self.fits(&schema["items"], item);
        }
        if let Some(item) = told.strip_prefix('{').and_then(|told| told.strip_suffix('}')) {
            let any = schema["patternProperties"].as_object().and_then(|patterns| patterns.values().next());
            let any = any.unwrap_or(&schema["additionalProperties"]).clone();
            return kinds(&schema) == ["object"] && any.is_object() && self.fits(&any, item);
        }
        if let Some((_, members)) = SHAPES.iter().find(|(name, _)| *name == told) {
            return kinds(&schema) == ["object"] && self.has(&schema, told, members);
        }
        let (kind, may_be_null) = match told.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (told, false),
        };
        kinds(&schema).iter().all(|allowed| allowed == kind || (may_be_null && allowed == "null"))
    }

    /// Whether it has all of these members always; those that do not fit are noted.
    fn has(&mut self, schema: &Value, shape: &str, members: &str) -> bool {
        if !self.seen.insert(shape.into()) {
            return true;
        }
        let Some(properties) = schema["properties"].as_object() else { return false };
        let mut has_all = true;
        for (name, told) in members.split(", ").map(|member| member.trim().split_once(": ").unwrap()) {
            match properties.get(name) {
                Some(property) if !self.fits(property, told) => {
                    self.differ.insert(format!("{shape}.{name}"));
                }
                Some(_) => {}
                None => has_all = false,
            }
        }
        has_all
    }
}

/// Types that a schema allows.
fn kinds(schema: &Value) -> Vec<String> {
    let of = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Number(_) => "integer",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match (&schema["type"], &schema["enum"], schema.get("const")) {
        (Value::String(kind), ..) => vec![kind.clone()],
        (Value::Array(kinds), ..) => kinds.iter().map(|kind| kind.as_str().unwrap().into()).collect(),
        (_, Value::Array(values), _) => {
            values.iter().map(of).map(String::from).collect::<BTreeSet<_>>().into_iter().collect()
        }
        (_, _, Some(value)) => vec![of(value).into()],
        _ => panic!("this says no type: {schema}"),
    }
}

#[test]
fn what_clients_were_told_holds_but_for_what_has_a_reason() {
    let described: Value = serde_saphyr::from_str(DESCRIPTION).unwrap();
    let starred = |path: &str| {
        let words = path.split('/').map(|word| if word.starts_with('{') { "*" } else { word });
        words.collect::<Vec<_>>().join("/")
    };
    let mut reading = Reading { described, differ: BTreeSet::new(), seen: BTreeSet::new() };
    let paths = reading.described["paths"].as_object().unwrap().clone();
    for (method, path, status, shape) in ANSWERS {
        let (_, item) =
            paths.iter().find(|(known, _)| starred(known) == *path).unwrap_or_else(|| panic!("no {path}"));
        let answer = item[method]["responses"].get(*status);
        let answer =
            reading.whole(answer.unwrap_or_else(|| panic!("no {status} of {method} {path}"))).clone();
        if !reading.fits(&answer["content"]["application/json"]["schema"], shape) {
            reading.differ.insert(format!("{method} {path} {status}"));
        }
    }
    // What the list of evaluations holds is looked at although it is no list.
    let evaluations = reading.described["components"]["schemas"]["Evaluations"].clone();
    assert!(reading.fits(&evaluations, "Evaluations"));
    let unseen: Vec<_> = SHAPES.iter().filter(|(name, _)| !reading.seen.contains(*name)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
    let known: BTreeSet<String> = DIFFERENCES.iter().map(|(what, _)| what.to_string()).collect();
    assert_eq!(reading.differ, known);
    let quirks = include_str!("../../../../docs/quirks.md");
    for (what, quirk) in DIFFERENCES {
        assert!(quirks.contains(&format!("\n| {quirk} |")), "{what}: no {quirk}");
    }
}
