//! A jobset: what it is, what went wrong with it, and its evaluations.

use super::evaluations::Row;
use super::parts::{self, Crumbs};
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::{self, Status, When};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::nix::EVALUATIONS_PAGE;
use ropewalk_core::port::{Enabled, Jobset, Role};
use ropewalk_http::parts::Address;
use ropewalk_model::time::Time;
use std::time::Duration;

#[derive(Template)]
#[template(path = "nix-jobset.html")]
struct JobsetPage {
    frame: Frame,
    crumbs: Crumbs,
    jobset: Jobset,
    address: String,
    /// Where its evaluation is, if there is something to say.
    now: Option<String>,
    checked: Option<When>,
    failed: Option<When>,
    tally: Vec<(Status, i64)>,
    facts: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    is_first: bool,
    older: Option<i64>,
    may_evaluate: bool,
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address((project, name)): Address<(String, String)>,
    fields: Fields,
) -> Result<Response, Failure> {
    let by = &frame.by;
    let jobset = match find(&web, by, &project, &name).await? {
        Found::Here(jobset) => *jobset,
        Found::Renamed(new) => {
            let address = parts::jobset_address(&project, &new);
            return Ok(parts::lead(StatusCode::MOVED_PERMANENTLY, &address));
        }
    };
    let (farm, now) = (&web.farm, web.farm.now());
    let counts = farm.jobset_counts(by, &[jobset.id]).await?;
    let before = fields.number::<i64>("before");
    let mut found = farm.evaluations_below(by, jobset.id, before, EVALUATIONS_PAGE + 1).await?;
    let has_more = found.len() > EVALUATIONS_PAGE as usize;
    found.truncate(EVALUATIONS_PAGE as usize);
    let numbers: Vec<i64> = found.iter().map(|evaluation| evaluation.id).collect();
    let of_each = farm.evaluation_counts(by, &numbers).await?;
    let progress = &jobset.progress;
    let of_project = farm.project(by, &jobset.project_name).await?;
    let may_evaluate = access::operate(by, &of_project, Role::EvalJobset).is_ok();
    Ok(page(&JobsetPage {
        crumbs: parts::of_project(&jobset.project_name),
        address: parts::jobset_address(&jobset.project_name, &jobset.name),
        now: what_now(&jobset, now),
        checked: progress.checked.map(|at| When::new(at, now)),
        failed: progress.error_at.map(|at| When::new(at, now)),
        tally: parts::tally(counts.get(&jobset.id).copied().unwrap_or_default()),
        facts: facts(&jobset),
        rows: found.iter().map(|evaluation| Row::new(evaluation, &of_each, now)).collect(),
        is_first: before.is_none(),
        older: found.last().filter(|_| has_more).and_then(|last| last.ordinal),
        may_evaluate: may_evaluate && frame.name().is_some(),
        jobset,
        frame: frame.at("projects"),
    }))
}

/// A jobset that was asked for.
pub(super) enum Found {
    Here(Box<Jobset>),
    /// It has this name now.
    Renamed(String),
}

pub(super) async fn find(web: &Web, by: &Caller, project: &str, name: &str) -> Result<Found, Error> {
    match web.farm.jobset(by, project, name).await {
        Err(error) if error.kind == Kind::Missing => {
            let renamed = web.farm.renamed_jobset(by, project, name).await?;
            renamed.map(Found::Renamed).ok_or(error)
        }
        found => Ok(Found::Here(Box::new(found?))),
    }
}

fn what_now(jobset: &Jobset, now: Time) -> Option<String> {
    let progress = &jobset.progress;
    match (progress.started, progress.triggered) {
        (Some(started), _) => Some(format!("Its evaluation began {}.", show::ago(started, now))),
        (None, Some(at)) if at > now => Some(format!("It will be evaluated {}.", show::ago(at, now))),
        (None, Some(_)) => Some("It waits to be evaluated.".into()),
        (None, None) => None,
    }
}

fn facts(jobset: &Jobset) -> Vec<(&'static str, String)> {
    let fields = &jobset.fields;
    let every = match u64::try_from(fields.check_interval) {
        Ok(seconds) if seconds > 0 => format!("every {}", show::span(Duration::from_secs(seconds))),
        _ => "when it is asked for".into(),
    };
    let evaluated = match fields.enabled {
        Enabled::Off => "never: it is off".into(),
        Enabled::On => every,
        Enabled::OneShot => "once".into(),
        Enabled::OneAtATime => format!("{every}, after the builds before have ended"),
    };
    let all = [
        ("Expression", format!("{} in {}", fields.expression_path, fields.expression_input)),
        ("Evaluated", evaluated),
        ("Keeps", format!("outputs of {} evaluations", fields.keep)),
        ("Shares", fields.shares.to_string()),
    ];
    all.into_iter().collect()
}
