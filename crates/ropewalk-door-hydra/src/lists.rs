//! Lists over all jobsets.

use crate::answer::Failed;
use crate::asked::Asked;
use crate::door::Hydra;
use crate::view;
use axum::Json;
use axum::extract::State;
use ropewalk_core::error::Error;
use ropewalk_core::nix::{BUILDS_MAX, EVALUATIONS_PAGE};
use ropewalk_core::port::{BuildFilter, BuildProgress};
use ropewalk_http::parts::By;
use serde_json::{Value, json};
use std::time::Duration;

/// Builds that one answer shows of the queue.
const SHOWN: u32 = 1000;
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How many builds are asked for.
fn number(asked: &Asked) -> Result<u32, Error> {
    let number = asked.get("nr").and_then(|nr| nr.parse::<u32>().ok());
    number.map(|number| number.min(BUILDS_MAX)).ok_or_else(|| Error::malformed("say how many: `?nr=NUMBER`"))
}

/// Finished builds that are asked for.
fn finished(asked: &Asked) -> Result<BuildFilter, Error> {
    let of = |name: &str| asked.get(name).filter(|text| !text.is_empty()).map(String::from);
    let filter = BuildFilter {
        project: of("project"),
        jobset: of("jobset"),
        job: of("job"),
        system: of("system"),
        state: BuildProgress::Finished,
    };
    match filter.jobset.is_some() && filter.project.is_none() {
        true => Err(Error::malformed("a jobset is named with its project: `&project=NAME`")),
        false => Ok(filter),
    }
}

/// The newest finished builds.
pub(crate) async fn latest(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Vec<Value>>, Failed> {
    let builds = hydra.farm.newest_brief_builds(&by, &finished(&asked)?, number(&asked)?).await?;
    let view = |build| {
        let mut view = view::brief(build);
        view.insert("buildstatus".into(), build.status.into());
        Value::Object(view)
    };
    Ok(Json(builds.iter().map(view).collect()))
}

/// Unfinished builds, the most important ones first.
pub(crate) async fn waiting(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Vec<Value>>, Failed> {
    let builds = hydra.farm.nix_queue_by_priority(&by, number(&asked)?).await?;
    let view = |build| {
        let mut view = view::brief(build);
        view.insert("priority".into(), build.priority.into());
        Value::Object(view)
    };
    Ok(Json(builds.iter().map(view).collect()))
}

/// How many builds are unfinished.
pub(crate) async fn count(State(hydra): State<Hydra>, By(by): By) -> Result<Json<u64>, Failed> {
    Ok(Json(hydra.farm.open_nix_builds(&by).await?))
}

/// How many of the builds are finished that were made in each of the last hours or days, oldest first.
pub(crate) async fn by_time(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Vec<u64>>, Failed> {
    let period = match asked.get("period") {
        Some("hour") => HOUR,
        Some("day") => 24 * HOUR,
        _ => return Err(Error::malformed("say by what time: `&period=hour` or `&period=day`").into()),
    };
    let number = number(&asked)?;
    Ok(Json(hydra.farm.count_nix_builds(&by, &finished(&asked)?, period, number).await?))
}

pub(crate) async fn queue(State(hydra): State<Hydra>, By(by): By) -> Result<Json<Vec<Value>>, Failed> {
    Ok(Json(hydra.farm.nix_queue(&by, SHOWN).await?.iter().map(view::build).collect()))
}

/// Builds that run.
pub(crate) async fn running(State(hydra): State<Hydra>, By(by): By) -> Result<Json<Vec<Value>>, Failed> {
    Ok(Json(hydra.farm.running_nix_builds(&by).await?.iter().map(view::build).collect()))
}

/// Runners and what they offer.
pub(crate) async fn machines(State(hydra): State<Hydra>, By(by): By) -> Result<Json<Value>, Failed> {
    let runners = hydra.farm.runners(&by).await?;
    let view = |runner: ropewalk_core::port::RunnerRow| {
        (runner.name, json!({ "maxJobs": runner.slots, "lastSeen": view::seconds(runner.seen) }))
    };
    Ok(Json(Value::Object(runners.into_iter().map(view).collect())))
}

/// The newest evaluations that had new builds; `before` goes on where a list ended.
pub(crate) async fn evaluations(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Vec<Value>>, Failed> {
    let before = asked.get("before").and_then(|before| before.parse().ok());
    let rows = hydra.farm.newest_evaluations(&by, before, EVALUATIONS_PAGE).await?;
    let mut views = vec![];
    for row in rows {
        let earlier = hydra.farm.evaluation_before(&by, &row).await?;
        let ids: Vec<i64> = earlier.iter().map(|earlier| earlier.id).chain([row.id]).collect();
        let counts = hydra.farm.evaluation_counts(&by, &ids).await?;
        let of = |id: i64| counts.get(&id).copied().unwrap_or_default();
        let now = of(row.id);
        let then = earlier.as_ref().map_or(0, |earlier| of(earlier.id).succeeded);
        let is_new = |name: &String| {
            earlier.as_ref().is_some_and(|then| then.inputs.get(name) != row.inputs.get(name))
        };
        let changed: Vec<&String> = row.inputs.keys().filter(|name| is_new(name)).collect();
        views.push(json!({
            "eval": view::evaluation(&row),
            "nrScheduled": now.scheduled,
            "nrSucceeded": now.succeeded,
            "nrFailed": now.failed,
            "diff": now.succeeded - then,
            "changedInputs": changed,
        }));
    }
    Ok(Json(views))
}
