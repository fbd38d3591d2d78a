//! The newest builds of a job.

use crate::answer::{Failed, led};
use crate::door::Hydra;
use crate::evaluations::below;
use crate::jobsets::find;
use crate::parts::{Address, By};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::port::{BuildFilter, BuildProgress};
use serde_json::{Value, json};

type Job = (String, String, String);

/// Builds of a job, of a jobset that is there.
async fn filter(
    hydra: &Hydra,
    by: &Caller,
    uri: &Uri,
    (project, jobset, job): &Job,
    state: BuildProgress,
) -> Result<BuildFilter, Failed> {
    let found = find(hydra, by, uri, project, jobset).await?;
    Ok(BuildFilter {
        project: Some(found.project_name),
        jobset: Some(found.name),
        job: Some(job.clone()),
        system: None,
        state,
    })
}

/// What shields.io shows of the newest finished build.
pub(crate) async fn shield(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(job): Address<Job>,
    uri: Uri,
) -> Result<Json<Value>, Failed> {
    let filter = filter(&hydra, &by, &uri, &job, BuildProgress::Finished).await?;
    let newest = hydra.farm.newest_nix_builds(&by, &filter, None, 1).await?.pop();
    let build = newest.ok_or_else(|| Error::missing("finished build of this job"))?;
    let (color, message) = match build.status {
        Some(0) => ("green", "passing"),
        Some(4) => ("yellow", "cancelled"),
        _ => ("red", "failing"),
    };
    Ok(Json(json!({ "schemaVersion": 1, "label": "hydra build", "color": color, "message": message })))
}

async fn to_latest(
    hydra: &Hydra,
    by: &Caller,
    uri: &Uri,
    job: &Job,
    system: Option<String>,
    rest: &str,
) -> Result<Response, Failed> {
    let filter = BuildFilter { system, ..filter(hydra, by, uri, job, BuildProgress::Succeeded).await? };
    let id = hydra.farm.newest_nix_build(by, &filter).await?;
    Ok(led(StatusCode::FOUND, &below(hydra, &format!("build/{id}"), rest, uri)))
}

async fn to_finished(
    hydra: &Hydra,
    by: &Caller,
    uri: &Uri,
    job: &Job,
    rest: &str,
) -> Result<Response, Failed> {
    let filter = filter(hydra, by, uri, job, BuildProgress::Succeeded).await?;
    let id = hydra.farm.latest_finished_build(by, &filter).await?;
    Ok(led(StatusCode::FOUND, &below(hydra, &format!("build/{id}"), rest, uri)))
}

/// Leads to the newest successful build.
pub(crate) async fn latest(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(job): Address<Job>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_latest(&hydra, &by, &uri, &job, None, "").await
}

pub(crate) async fn latest_below(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, jobset, job, rest)): Address<(String, String, String, String)>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_latest(&hydra, &by, &uri, &(project, jobset, job), None, &rest).await
}

/// Leads to the newest successful build for a system.
pub(crate) async fn latest_for(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, jobset, job, system)): Address<(String, String, String, String)>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_latest(&hydra, &by, &uri, &(project, jobset, job), Some(system), "").await
}

pub(crate) async fn latest_for_below(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, jobset, job, system, rest)): Address<(String, String, String, String, String)>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_latest(&hydra, &by, &uri, &(project, jobset, job), Some(system), &rest).await
}

/// Leads to the newest successful build of an evaluation of which nothing is unfinished.
pub(crate) async fn latest_finished(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(job): Address<Job>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_finished(&hydra, &by, &uri, &job, "").await
}

pub(crate) async fn latest_finished_below(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, jobset, job, rest)): Address<(String, String, String, String)>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_finished(&hydra, &by, &uri, &(project, jobset, job), &rest).await
}
