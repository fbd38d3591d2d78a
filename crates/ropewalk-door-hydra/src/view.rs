//! Things as JSON, in Hydra's words. Where its versions differ, what all of them read.

use ropewalk_core::port::{BriefBuild, Build, Counts, EvaluationRow, Jobset, JobsetInput, Project};
use ropewalk_model::nix::{Product, ResolvedInput};
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

/// A jobset in the overview of its project.
pub(crate) fn overview(jobset: &Jobset, counts: Counts) -> Value {
    let progress = &jobset.progress;
    json!({
        "project": jobset.project_name,
        "name": jobset.name,
        "nrscheduled": counts.scheduled,
        "nrsucceeded": counts.succeeded,
        "nrfailed": counts.failed,
        "nrtotal": counts.total(),
        "lastcheckedtime": optional_seconds(progress.checked),
        "starttime": optional_seconds(progress.started),
        "triggertime": optional_seconds(progress.triggered),
        "errortime": optional_seconds(progress.error_at),
        "checkinterval": jobset.fields.check_interval,
        "fetcherrormsg": progress.fetch_error,
        "haserrormsg": !progress.error.is_empty(),
    })
}

pub(crate) fn evaluation(evaluation: &EvaluationRow) -> Value {
    let inputs: Map<String, Value> =
        evaluation.inputs.iter().map(|(name, input)| (name.clone(), resolved(input))).collect();
    json!({
        "id": evaluation.id,
        "timestamp": seconds(evaluation.created),
        "checkouttime": evaluation.checkout_time,
        "evaltime": evaluation.evaluation_time,
        "hasnewbuilds": i64::from(evaluation.ordinal.is_some()),
        "flake": null,
        "builds": evaluation.builds,
        "jobsetevalinputs": inputs,
    })
}

pub(crate) fn resolved(input: &ResolvedInput) -> Value {
    json!({
        "type": input.kind,
        "uri": input.uri,
        "revision": input.revision,
        "value": input.value,
        "dependency": input.dependency,
    })
}

pub(crate) fn build(build: &Build) -> Value {
    let outputs: Map<String, Value> =
        build.outputs.iter().map(|(name, path)| (name.clone(), json!({ "path": path }))).collect();
    let products: Map<String, Value> =
        (1..).zip(&build.products).map(|(number, one)| (i64::to_string(&number), product(one))).collect();
    let metrics: Map<String, Value> = build
        .metrics
        .iter()
        .map(|(name, metric)| (name.clone(), json!({ "value": metric.value, "unit": metric.unit })))
        .collect();
    json!({
        "id": build.id,
        "finished": i64::from(build.finished),
        "timestamp": seconds(build.created),
        "starttime": optional_seconds(build.started),
        "stoptime": optional_seconds(build.stopped),
        "project": build.project,
        "jobset": build.jobset,
        "job": build.job,
        "nixname": build.nix_name,
        "system": build.system,
        "priority": build.priority,
        "buildstatus": build.status,
        "releasename": build.release_name,
        "drvpath": build.drv_path,
        "jobsetevals": build.evaluations,
        "buildoutputs": outputs,
        "buildproducts": products,
        "buildmetrics": metrics,
    })
}

/// With the path of the output `out`, where there is one and it is known.
pub(crate) fn info(build: &Build) -> Value {
    let mut view = json!({ "buildId": build.id, "drvPath": build.drv_path });
    if let (Some(Some(path)), Some(view)) = (build.outputs.get("out"), view.as_object_mut()) {
        view.insert("outPath".into(), path.as_str().into());
    }
    view
}

fn product(product: &Product) -> Value {
    json!({
        "type": product.kind,
        "subtype": product.subtype,
        "name": product.name,
        "path": product.path,
        "defaultpath": product.default_path.as_deref().unwrap_or_default(),
        "filesize": product.size,
        "sha256hash": product.sha256,
    })
}

/// A build in a list of many.
pub(crate) fn brief(build: &BriefBuild) -> Map<String, Value> {
    let view = json!({
        "id": build.id,
        "project": build.project,
        "jobset": build.jobset,
        "job": build.job,
        "system": build.system,
        "nixname": build.nix_name,
        "finished": i64::from(build.finished),
        "timestamp": seconds(build.created),
    });
    match view {
        Value::Object(view) => view,
        _ => Map::new(),
    }
}
