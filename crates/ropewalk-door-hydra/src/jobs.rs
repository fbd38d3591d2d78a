//! Builds of a job over time.

use crate::answer::Failed;
use crate::door::Hydra;
use crate::latest::filter;
use crate::view::seconds;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::header::CONTENT_TYPE;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::port::{Build, BuildProgress, MeasuredBuild};
use ropewalk_http::parts::{Address, By};
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Words = BTreeMap<String, String>;

async fn newest_finished(hydra: &Hydra, by: &Caller, uri: &Uri, words: &Words) -> Result<Build, Failed> {
    let filter = filter(hydra, by, uri, words, BuildProgress::Finished).await?;
    let newest = hydra.farm.newest_nix_builds(by, &filter, None, 1).await?.pop();
    Ok(newest.ok_or_else(|| Error::missing("finished build of this job"))?)
}

/// What shields.io shows of the newest finished build.
pub(crate) async fn shield(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(words): Address<Words>,
    uri: Uri,
) -> Result<Json<Value>, Failed> {
    let (color, message) = match newest_finished(&hydra, &by, &uri, &words).await?.status {
        Some(0) => ("green", "passing"),
        Some(4) => ("yellow", "cancelled"),
        _ => ("red", "failing"),
    };
    Ok(Json(json!({ "schemaVersion": 1, "label": "hydra build", "color": color, "message": message })))
}

async fn history(
    (State(hydra), By(by), Address(words), uri): (State<Hydra>, By, Address<Words>, Uri),
    value: impl Fn(&MeasuredBuild) -> Option<i64>,
) -> Result<Json<Vec<Value>>, Failed> {
    let filter = filter(&hydra, &by, &uri, &words, BuildProgress::Succeeded).await?;
    let builds = hydra.farm.measured_nix_builds(&by, &filter).await?;
    let point = |build: &MeasuredBuild| {
        let value = value(build)?;
        Some(json!({ "id": build.id, "timestamp": seconds(build.created), "value": value }))
    };
    Ok(Json(builds.iter().filter_map(point).collect()))
}

/// Seconds that successful builds took which had to be run.
pub(crate) async fn build_times(
    hydra: State<Hydra>,
    by: By,
    words: Address<Words>,
    uri: Uri,
) -> Result<Json<Vec<Value>>, Failed> {
    let took = |build: &MeasuredBuild| match build.is_cached {
        true => None,
        false => Some(seconds(build.stopped?) - seconds(build.started?)),
    };
    history((hydra, by, words, uri), took).await
}

pub(crate) async fn closure_sizes(
    hydra: State<Hydra>,
    by: By,
    words: Address<Words>,
    uri: Uri,
) -> Result<Json<Vec<Value>>, Failed> {
    history((hydra, by, words, uri), |build| build.closure_size).await
}

pub(crate) async fn output_sizes(
    hydra: State<Hydra>,
    by: By,
    words: Address<Words>,
    uri: Uri,
) -> Result<Json<Vec<Value>>, Failed> {
    history((hydra, by, words, uri), |build| build.size).await
}

/// Values of a metric.
pub(crate) async fn metric(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(words): Address<Words>,
    uri: Uri,
) -> Result<Json<Vec<Value>>, Failed> {
    let filter = filter(&hydra, &by, &uri, &words, BuildProgress::Any).await?;
    let name = words.get("metric").map(String::as_str).unwrap_or_default();
    let values = hydra.farm.metric_history(&by, &filter, name).await?;
    let point = |(build, at, metric)| {
        let metric: ropewalk_model::nix::Metric = metric;
        json!({ "id": build, "timestamp": seconds(at), "value": metric.value, "unit": metric.unit })
    };
    Ok(Json(values.into_iter().map(point).collect()))
}

/// The newest finished build in Prometheus's text format.
pub(crate) async fn prometheus(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(words): Address<Words>,
    uri: Uri,
) -> Result<Response, Failed> {
    let build = newest_finished(&hydra, &by, &uri, &words).await?;
    let text = measures(&build);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Name, type, meaning and value of what is known.
fn measures(build: &Build) -> String {
    let labels = format!(
        "{{project=\"{}\",jobset=\"{}\",job=\"{}\"}}",
        escaped(&build.project),
        escaped(&build.jobset),
        escaped(&build.job)
    );
    let measures = [
        (
            "hydra_job_failed",
            "gauge",
            "1 if the newest build failed",
            Some(i64::from(build.status != Some(0))),
        ),
        ("hydra_job_completion_time", "counter", "When the newest build ended", build.stopped.map(seconds)),
        (
            "hydra_build_closure_size",
            "gauge",
            "Bytes of its outputs and what they refer to",
            build.closure_size,
        ),
        ("hydra_build_output_size", "gauge", "Bytes of its outputs", build.size),
    ];
    let line = |(name, kind, help, value): (&str, &str, &str, Option<i64>)| {
        Some(format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} {}\n", value?))
    };
    measures.into_iter().filter_map(line).collect()
}

/// A label's value, as it stands between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_has_labels_that_cannot_be_left() {
        let build = Build {
            project: "p".into(),
            jobset: "j".into(),
            job: "a.\"b\\\"".into(),
            status: Some(1),
            size: Some(7),
            ..Build::default()
        };
        let text = measures(&build);
        let labels = r#"{project="p",jobset="j",job="a.\"b\\\""}"#;
        assert!(text.contains(&format!("hydra_job_failed{labels} 1\n")), "{text}");
        assert!(text.contains(&format!("hydra_build_output_size{labels} 7\n")), "{text}");
        assert!(!text.contains("closure_size") && !text.contains("completion"), "{text}");
    }
}
