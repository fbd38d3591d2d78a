//! From evaluations to their builds and back.

use crate::answer::{Failed, led};
use crate::door::Hydra;
use crate::evaluations::below;
use crate::view;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, Uri};
use ropewalk_core::error::Kind;
use ropewalk_core::nix::EVALUATIONS_PAGE;
use ropewalk_http::parts::{Address, By};
use serde::Deserialize;
use serde_json::Value;

/// A job in an evaluation, and an address below its build.
#[derive(Deserialize)]
pub(crate) struct Member {
    evaluation: i64,
    job: String,
    #[serde(default)]
    rest: String,
}

/// A build, and an address below its evaluation.
#[derive(Deserialize)]
pub(crate) struct Of {
    build: i64,
    #[serde(default)]
    rest: String,
}

/// Leads to the build of a job in an evaluation.
pub(crate) async fn to_build(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(member): Address<Member>,
    uri: Uri,
) -> Result<Response, Failed> {
    let build = hydra.farm.build_of_evaluation(&by, member.evaluation, &member.job).await?;
    Ok(led(StatusCode::FOUND, &below(&hydra, &format!("build/{build}"), &member.rest, &uri)))
}

/// Leads to the newest evaluation of a build of which nothing is unfinished.
pub(crate) async fn to_evaluation(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(of): Address<Of>,
    uri: Uri,
) -> Result<Response, Failed> {
    let evaluation = hydra.farm.latest_evaluation_of_build(&by, of.build).await?;
    Ok(led(StatusCode::FOUND, &below(&hydra, &format!("eval/{evaluation}"), &of.rest, &uri)))
}

/// The newest evaluations of a build.
pub(crate) async fn evaluations(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Json<Vec<Value>>, Failed> {
    let build = hydra.farm.nix_build(&by, id).await?;
    let page = usize::try_from(EVALUATIONS_PAGE).unwrap_or(usize::MAX);
    let mut views = vec![];
    for evaluation in build.evaluations.iter().rev().take(page) {
        match hydra.farm.evaluation(&by, *evaluation).await {
            Ok(evaluation) => views.push(view::evaluation(&evaluation)),
            // It was removed meanwhile.
            Err(error) if error.kind == Kind::Missing => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Json(views))
}
