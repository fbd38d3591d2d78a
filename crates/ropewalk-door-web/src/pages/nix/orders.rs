//! What people order with the buttons of these pages. Programs give the same orders at Hydra's addresses.

use super::parts;
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Sent;
use crate::pages::frame::Frame;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use ropewalk_core::error::Error;
use ropewalk_core::nix::{Push, Restart};
use ropewalk_http::parts::Address;

/// `restart`, `cancel` or `bump`.
pub(super) async fn of_build(
    State(web): State<Web>,
    frame: Frame,
    Address((build, order)): Address<(i64, String)>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let (farm, by) = (&web.farm, &frame.by);
    match order.as_str() {
        "restart" => farm.restart_build(by, build).await?,
        "cancel" => farm.cancel_build(by, build).await?,
        "bump" => farm.bump_build(by, build).await?,
        _ => return Err(Error::missing("such address").into()),
    }
    Ok(Redirect::to(&format!("/build/{build}")).into_response())
}

/// `restart-failed`, `restart-aborted`, `cancel` or `bump`, for all builds of an evaluation.
pub(super) async fn of_evaluation(
    State(web): State<Web>,
    frame: Frame,
    Address((evaluation, order)): Address<(i64, String)>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let (farm, by) = (&web.farm, &frame.by);
    match order.as_str() {
        "restart-failed" => farm.restart_evaluation(by, evaluation, Restart::Failed).await?,
        "restart-aborted" => farm.restart_evaluation(by, evaluation, Restart::Aborted).await?,
        "cancel" => farm.cancel_evaluation(by, evaluation).await?,
        "bump" => farm.bump_evaluation(by, evaluation).await?,
        _ => return Err(Error::missing("such address").into()),
    };
    Ok(Redirect::to(&format!("/eval/{evaluation}")).into_response())
}

/// Evaluates a jobset now, also if it is off or its inputs are the same.
pub(super) async fn evaluate(
    State(web): State<Web>,
    frame: Frame,
    Address((project, jobset)): Address<(String, String)>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let jobset = web.farm.jobset(&frame.by, &project, &jobset).await?;
    let (project, name) = (jobset.project_name, jobset.name);
    let address = parts::jobset_address(&project, &name);
    let push = Push { jobsets: vec![(project, name)], repos: vec![], is_forced: true };
    web.farm.push(&frame.by, push).await?;
    Ok(Redirect::to(&address).into_response())
}
