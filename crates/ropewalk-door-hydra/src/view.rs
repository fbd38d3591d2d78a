//! Things as JSON, in Hydra's words. Where its versions differ, what all of them read.

use ropewalk_core::port::{Jobset, JobsetInput, Project};
use ropewalk_model::time::Time;
use serde_json::{Map, Value, json};

/// Unix seconds.
pub(crate) fn seconds(at: Time) -> i64 {
    at.0.div_euclid(1_000_000)
}

fn optional_seconds(at: Option<Time>) -> Value {
    at.map(seconds).into()
}

pub(crate) fn project(project: &Project) -> Value {
    let fields = &project.fields;
    let mut view = json!({
        "name": project.name,
        "displayname": fields.display_name,
        "description": fields.description,
        "homepage": fields.homepage,
        "owner": project.owner_name,
        "enabled": fields.is_enabled,
        "hidden": fields.is_hidden,
        "enable_dynamic_run_command": false,
        "jobsets": project.jobsets,
    });
    if let (Some(declarative), Some(view)) = (&fields.declarative, view.as_object_mut()) {
        let value = json!({
            "file": declarative.file,
            "type": declarative.kind.to_string(),
            "value": declarative.value,
        });
        view.insert("declarative".into(), value);
    }
    view
}

/// With its inputs in the form of today and in that of the seed.
pub(crate) fn jobset(jobset: &Jobset) -> Value {
    let (fields, progress) = (&jobset.fields, &jobset.progress);
    json!({
        "name": jobset.name,
        "project": jobset.project_name,
        "description": fields.description,
        "type": 0,
        "flake": "",
        "nixexprinput": fields.expression_input,
        "nixexprpath": fields.expression_path,
        "enabled": fields.enabled.number(),
        "visible": !fields.is_hidden,
        "enableemail": fields.sends_mail,
        "enable_dynamic_run_command": false,
        "emailoverride": fields.mail_to,
        "checkinterval": fields.check_interval,
        "keepnr": fields.keep,
        "schedulingshares": fields.shares,
        "triggertime": optional_seconds(progress.triggered),
        "lastcheckedtime": optional_seconds(progress.checked),
        "starttime": optional_seconds(progress.started),
        "errortime": optional_seconds(progress.error_at),
        "errormsg": progress.error,
        "fetcherrormsg": progress.fetch_error.as_deref().unwrap_or_default(),
        "inputs": inputs(jobset, input),
        "jobsetinputs": inputs(jobset, |_, input| json!({ "jobsetinputalts": [input.value] })),
    })
}

fn inputs(jobset: &Jobset, view: impl Fn(&str, &JobsetInput) -> Value) -> Map<String, Value> {
    jobset.fields.inputs.iter().map(|(name, input)| (name.clone(), view(name, input))).collect()
}

fn input(name: &str, input: &JobsetInput) -> Value {
    json!({
        "name": name,
        "type": input.kind.to_string(),
        "value": input.value,
        "emailresponsible": input.tells_committers,
    })
}
