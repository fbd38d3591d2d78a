//! A job: its steps, what they printed, what can be done now.

mod first_error;
pub(crate) mod lines;
mod live;
mod pane;
mod view;

use super::failure::Failure;
use super::form::{Fields, Sent};
use super::frame::{Frame, page};
use crate::Web;
use crate::pages::addresses;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::CONTENT_TYPE;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_http::parts::Address;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::Job;

pub(super) use live::live;

/// A job under its owner's address: under another one there is none.
pub(super) async fn of_owner(web: &Web, by: &Caller, owner: &str, number: JobId) -> Result<Job, Error> {
    let job = web.farm.job(by, number).await?;
    if job.owner_name == owner { Ok(job) } else { Err(Error::missing(format_args!("job {number}"))) }
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address((owner, number)): Address<(String, JobId)>,
    fields: Fields,
) -> Result<Response, Failure> {
    let job = of_owner(&web, &frame.by, &owner, number).await?;
    Ok(page(&view::read(&web, frame.at("jobs"), job, &fields).await?))
}

pub(super) async fn manifest(
    State(web): State<Web>,
    frame: Frame,
    Address((owner, number)): Address<(String, JobId)>,
) -> Result<Response, Failure> {
    of_owner(&web, &frame.by, &owner, number).await?;
    let manifest = web.farm.manifest(&frame.by, number).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], manifest).into_response())
}

pub(super) async fn cancel(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<JobId>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let job = web.farm.cancel(&frame.by, number).await?;
    Ok(Redirect::to(&addresses::of_job(&job)).into_response())
}

pub(super) async fn start(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<JobId>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let job = web.farm.start(&frame.by, number).await?;
    Ok(Redirect::to(&addresses::of_job(&job)).into_response())
}
