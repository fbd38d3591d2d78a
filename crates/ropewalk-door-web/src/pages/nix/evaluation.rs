//! An evaluation: what its inputs were, and its builds.

use super::parts::{self, Crumbs, Row};
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::{Status, When};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::access;
use ropewalk_core::port::{Counts, Role};
use ropewalk_http::parts::Address;
use ropewalk_model::nix::ResolvedInput;

/// Builds of one page.
const ROWS: u32 = 100;

#[derive(Template)]
#[template(path = "nix-evaluation.html")]
struct EvaluationPage {
    frame: Frame,
    crumbs: Crumbs,
    number: i64,
    created: When,
    checkout: i64,
    took: i64,
    tally: Vec<(Status, i64)>,
    inputs: Vec<Input>,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<i64>,
    may_restart: bool,
    may_cancel: bool,
    may_bump: bool,
}

struct Input {
    name: String,
    kind: String,
    value: String,
    revision: Option<String>,
    /// The evaluation that it came from, or the build.
    from: Option<String>,
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<i64>,
    fields: Fields,
) -> Result<Response, Failure> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let evaluation = farm.evaluation(by, number).await?;
    let project = farm.project(by, &evaluation.project).await?;
    let counts = farm.evaluation_counts(by, &[number]).await?;
    let counts: Counts = counts.get(&number).copied().unwrap_or_default();
    let after = fields.number::<i64>("after");
    let mut builds = farm.evaluation_builds(by, number, after.unwrap_or(0), ROWS + 1).await?;
    let has_more = builds.len() > ROWS as usize;
    builds.truncate(ROWS as usize);
    let may = |role| frame.name().is_some() && access::operate(by, &project, role).is_ok();
    let [may_restart, may_cancel, may_bump] =
        [Role::RestartJobs, Role::CancelBuild, Role::BumpToFront].map(may);
    Ok(page(&EvaluationPage {
        crumbs: parts::of_jobset(&evaluation.project, &evaluation.jobset),
        number,
        created: When::new(evaluation.created, now),
        checkout: evaluation.checkout_time,
        took: evaluation.evaluation_time,
        tally: parts::tally(counts),
        inputs: evaluation.inputs.iter().map(input).collect(),
        rows: builds.iter().map(|build| Row::new(build, now)).collect(),
        is_first: after.is_none(),
        next: builds.last().filter(|_| has_more).map(|build| build.id),
        may_restart: may_restart && counts.failed > 0,
        may_cancel: may_cancel && counts.scheduled > 0,
        may_bump: may_bump && counts.scheduled > 0,
        frame: frame.at("projects"),
    }))
}

fn input((name, input): (&String, &ResolvedInput)) -> Input {
    let from = input.dependency.and_then(|number| match input.kind.as_str() {
        "eval" => Some(format!("/eval/{number}")),
        "build" => Some(format!("/build/{number}")),
        _ => None,
    });
    let dependency = input.dependency.map(|number| number.to_string());
    Input {
        name: name.clone(),
        kind: input.kind.clone(),
        value: input.uri.clone().or_else(|| input.value.clone()).or(dependency).unwrap_or_default(),
        revision: input.revision.clone(),
        from,
    }
}
