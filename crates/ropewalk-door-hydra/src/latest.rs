//! Addresses that lead to the newest successful build: of all, of a project, a jobset or a job.

use crate::answer::{Failed, led};
use crate::door::Hydra;
use crate::evaluations::below;
use crate::jobsets::find;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use ropewalk_core::access::Caller;
use ropewalk_core::port::{BuildFilter, BuildProgress};
use ropewalk_http::parts::{Address, By};
use std::collections::BTreeMap;

/// The variable words of an address, by their names in the route table.
type Words = BTreeMap<String, String>;

fn word(words: &Words, name: &str) -> Option<String> {
    words.get(name).cloned()
}

/// Builds of the project, jobset and job that an address names; a project or jobset must be there.
pub(crate) async fn filter(
    hydra: &Hydra,
    by: &Caller,
    uri: &Uri,
    words: &Words,
    state: BuildProgress,
) -> Result<BuildFilter, Failed> {
    let mut filter = BuildFilter {
        job: word(words, "job"),
        system: word(words, "system"),
        state,
        ..BuildFilter::default()
    };
    match (words.get("project"), words.get("jobset")) {
        (Some(project), Some(jobset)) => {
            let found = find(hydra, by, uri, project, jobset).await?;
            filter.project = Some(found.project_name);
            filter.jobset = Some(found.name);
        }
        (Some(project), None) => filter.project = Some(hydra.farm.project(by, project).await?.name),
        (None, _) => {}
    }
    Ok(filter)
}

fn to(hydra: &Hydra, build: i64, words: &Words, uri: &Uri) -> Response {
    let rest = words.get("rest").map(String::as_str).unwrap_or_default();
    led(StatusCode::FOUND, &below(hydra, &format!("build/{build}"), rest, uri))
}

/// Leads to the newest successful build, for a system if the address names one.
pub(crate) async fn latest(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(words): Address<Words>,
    uri: Uri,
) -> Result<Response, Failed> {
    let filter = filter(&hydra, &by, &uri, &words, BuildProgress::Succeeded).await?;
    let build = hydra.farm.newest_nix_build(&by, &filter).await?;
    Ok(to(&hydra, build, &words, &uri))
}

/// The same in an evaluation of which nothing is unfinished.
pub(crate) async fn latest_finished(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(words): Address<Words>,
    uri: Uri,
) -> Result<Response, Failed> {
    let filter = filter(&hydra, &by, &uri, &words, BuildProgress::Succeeded).await?;
    let build = hydra.farm.latest_finished_build(&by, &filter).await?;
    Ok(to(&hydra, build, &words, &uri))
}
