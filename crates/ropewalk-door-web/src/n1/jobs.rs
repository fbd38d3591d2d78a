//! Jobs.

use super::view::{AttemptView, EventView, JobDetail, JobView, PageView, StepView, WaitingView};
use crate::Web;
use crate::answer::{Failed, Refusal};
use crate::args::{Asked, Body};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use ropewalk_core::error::Error;
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::port::Page;
use ropewalk_core::submit::Request;
use ropewalk_http::parts::{Address, By};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Visibility};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Items of a list, if the query does not say.
const PAGE: u32 = 25;

/// A manifest to be run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// What a `.build.yml` holds; shorter than 16 KiB.
    manifest: String,
    /// Free text, markdown; at most 4096 characters.
    note: Option<String>,
    /// At most 16 of 256 characters; a tag with slashes is several.
    #[serde(default)]
    tags: Vec<String>,
    /// `public`, `unlisted` (default) or `private`.
    visibility: Option<String>,
    /// Whether the manifest's secrets and `oauth` are honoured; default: if the token grants SECRETS.
    secrets: Option<bool>,
    /// False: it stays pending until it is started. Default true.
    execute: Option<bool>,
}

/// Which jobs a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobsAsked {
    /// Name of a user.
    owner: Option<String>,
    /// Status.
    status: Option<String>,
    /// Kind.
    kind: Option<String>,
    /// Visibility.
    visibility: Option<String>,
    /// `next` of the part before.
    before: Option<i64>,
    /// 1 to 100; default 25.
    limit: Option<u32>,
}

/// Which events a list shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsAsked {
    /// Only those with a higher number.
    after: Option<i64>,
    /// 1 to 100; default 25.
    limit: Option<u32>,
}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartAsked {
    /// `next` of the part before.
    pub(crate) before: Option<i64>,
    /// 1 to 100; default 25.
    pub(crate) limit: Option<u32>,
}

impl PartAsked {
    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(PAGE)
    }
}

pub(crate) fn view(web: &Web, job: Job) -> JobView {
    let url = web.farm.job_url(&job.owner_name, job.id);
    JobView::new(job, url)
}

/// Reads a word of a closed list.
fn word<T: std::str::FromStr>(text: Option<&str>, field: &'static str) -> Result<Option<T>, Error> {
    let read = |text: &str| {
        text.parse().map_err(|_| Error::malformed(format!("{text:?} is no {field}")).about(field))
    };
    text.map(read).transpose()
}

/// Lists jobs, newest first.
#[utoipa::path(get, path = "/api/n1/jobs", tag = "jobs", params(JobsAsked), security((), ("token" = [])), responses(
    (status = 200, body = PageView<JobView>),
    (status = 400, body = Refusal, description = "A filter that cannot be read"),
    (status = 404, body = Refusal, description = "No such owner, to administrators; others get an empty list"),
))]
pub(crate) async fn list(
    State(web): State<Web>,
    By(by): By,
    Asked(asked): Asked<JobsAsked>,
) -> Result<Json<PageView<JobView>>, Failed> {
    let query = JobQuery {
        kind: word(asked.kind.as_deref(), "kind")?,
        status: word(asked.status.as_deref(), "status")?,
        visibility: word(asked.visibility.as_deref(), "visibility")?,
        owner: asked.owner,
    };
    let Page { items, next } = web.farm.jobs(&by, query, asked.before, asked.limit.unwrap_or(PAGE)).await?;
    let items = items.into_iter().map(|job| view(&web, job)).collect();
    Ok(Json(PageView { items, next }))
}

/// Submits a manifest.
#[utoipa::path(post, path = "/api/n1/jobs", tag = "jobs", request_body = Submission, security(("token" = [])), responses(
    (status = 201, body = JobView),
    (status = 400, body = Refusal, description = "A manifest that a build cannot be made of; `problems` says where"),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 413, body = Refusal),
    (status = 429, body = Refusal, description = "Too many requests, or too many jobs that have not ended"),
))]
pub(crate) async fn submit(
    State(web): State<Web>,
    By(by): By,
    Body(new): Body<Submission>,
) -> Result<(StatusCode, Json<JobView>), Failed> {
    let request = Request {
        manifest: new.manifest,
        note: new.note,
        tags: new.tags,
        visibility: word(new.visibility.as_deref(), "visibility")?.unwrap_or(Visibility::Unlisted),
        secrets: new.secrets,
        execute: new.execute.unwrap_or(true),
    };
    let job = web.farm.submit(&by, request).await?;
    Ok((StatusCode::CREATED, Json(view(&web, job))))
}

/// Shows a job with its steps and files.
#[utoipa::path(get, path = "/api/n1/jobs/{job}", tag = "jobs", params(("job" = i64, Path)), security((), ("token" = [])),
    responses((status = 200, body = JobDetail), (status = 404, body = Refusal)))]
pub(crate) async fn show(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
) -> Result<Json<JobDetail>, Failed> {
    let job = web.farm.job(&by, number).await?;
    let message = web.farm.attempts(&by, number).await?.into_iter().next_back().and_then(|last| last.message);
    let waiting = match job.status.is_final() {
        true => None,
        false => WaitingView::new(web.farm.waiting(&by, number).await?),
    };
    let steps = web.farm.steps(&by, number).await?.into_iter().map(StepView::from).collect();
    let artifacts = web.farm.artifacts(&by, number).await?.into_iter().map(Into::into).collect();
    Ok(Json(JobDetail { job: view(&web, job), message, waiting, steps, artifacts }))
}

/// The manifest, byte for byte.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/manifest", tag = "jobs", params(("job" = i64, Path)),
    security((), ("token" = [])),
    responses((status = 200, body = String, content_type = "text/plain"), (status = 404, body = Refusal)))]
pub(crate) async fn manifest(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
) -> Result<Response, Failed> {
    let manifest = web.farm.manifest(&by, number).await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], manifest).into_response())
}

/// Queues a pending job.
#[utoipa::path(post, path = "/api/n1/jobs/{job}/start", tag = "jobs", params(("job" = i64, Path)),
    security(("token" = [])), responses(
    (status = 200, body = JobView),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
    (status = 409, body = Refusal, description = "It is not pending"),
))]
pub(crate) async fn start(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
) -> Result<Json<JobView>, Failed> {
    let job = web.farm.start(&by, number).await?;
    Ok(Json(view(&web, job)))
}

/// Ends a job. One that runs ends when its runner has reported so.
#[utoipa::path(post, path = "/api/n1/jobs/{job}/cancel", tag = "jobs", params(("job" = i64, Path)),
    security(("token" = [])), responses(
    (status = 200, body = JobView),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
    (status = 409, body = Refusal, description = "It has ended already"),
))]
pub(crate) async fn cancel(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
) -> Result<Json<JobView>, Failed> {
    let job = web.farm.cancel(&by, number).await?;
    Ok(Json(view(&web, job)))
}

/// A job's steps in order.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/steps", tag = "jobs", params(("job" = i64, Path)),
    security((), ("token" = [])), responses((status = 200, body = [StepView]), (status = 404, body = Refusal)))]
pub(crate) async fn steps(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
) -> Result<Json<Vec<StepView>>, Failed> {
    Ok(Json(web.farm.steps(&by, number).await?.into_iter().map(Into::into).collect()))
}

/// The tries at a job, oldest first.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/attempts", tag = "jobs", params(("job" = i64, Path)),
    security((), ("token" = [])), responses((status = 200, body = [AttemptView]), (status = 404, body = Refusal)))]
pub(crate) async fn attempts(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
) -> Result<Json<Vec<AttemptView>>, Failed> {
    Ok(Json(web.farm.attempts(&by, number).await?.into_iter().map(Into::into).collect()))
}

/// What happened to a job, in order.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/events", tag = "jobs", params(("job" = i64, Path), EventsAsked),
    security((), ("token" = [])), responses(
    (status = 200, body = [EventView]),
    (status = 400, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn events(
    State(web): State<Web>,
    By(by): By,
    Address(number): Address<JobId>,
    Asked(asked): Asked<EventsAsked>,
) -> Result<Json<Vec<EventView>>, Failed> {
    let (after, limit) = (asked.after.unwrap_or(0), asked.limit.unwrap_or(PAGE));
    let events = web.farm.events(&by, number, after, limit).await?;
    Ok(Json(events.into_iter().map(Into::into).collect()))
}
