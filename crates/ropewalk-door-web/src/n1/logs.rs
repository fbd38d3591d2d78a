//! Logs: bytes by range, and live.

use crate::Web;
use crate::answer::{Failed, Refusal};
use crate::live;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ropewalk_core::error::Error;
use ropewalk_http::logs::answer;
use ropewalk_http::parts::{Address, By};
use ropewalk_model::ids::JobId;
use ropewalk_model::link::LogName;

/// `setup`, or the position of a step.
fn name(text: &str) -> Result<LogName, Error> {
    match text {
        "setup" => Ok(LogName::Setup),
        text => text.parse().map(LogName::Step).map_err(|_| Error::missing(format_args!("log {text:?}"))),
    }
}

/// A log's bytes as they were printed. Takes a byte range; bytes that are printed later have higher offsets.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/logs/{log}", tag = "logs",
    params(("job" = i64, Path), ("log" = String, Path, description = "`setup`, or the position of a step")),
    security((), ("token" = [])), responses(
    (status = 200, body = [u8], content_type = "text/plain"),
    (status = 206, body = [u8], content_type = "text/plain"),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
    (status = 416, description = "Bytes that are not there yet"),
))]
pub(crate) async fn read(
    State(web): State<Web>,
    By(by): By,
    Address((job, log)): Address<(JobId, String)>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let open = web.farm.open_log(&by, job, name(&log)?).await?;
    Ok(answer(&web.farm, open, &headers).await?)
}

/// Follows a log by server-sent events. Each event's id is the offset after its bytes; a client that comes back with
/// `Last-Event-ID` goes on there. `data` is JSON: `offset`, and `text` or, where the bytes are not UTF-8, `base64`.
/// The event `end` is the last one; whoever asks again after it gets 204.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/logs/{log}/live", tag = "logs",
    params(("job" = i64, Path), ("log" = String, Path, description = "`setup`, or the position of a step"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Offset to begin at")),
    security((), ("token" = [])), responses(
    (status = 200, body = String, content_type = "text/event-stream"),
    (status = 204, description = "The log is complete and has no byte after that offset"),
    (status = 400, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn follow(
    State(web): State<Web>,
    By(by): By,
    Address((job, log)): Address<(JobId, String)>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let from = live::last_event_id(&headers)?;
    let open = web.farm.open_log(&by, job, name(&log)?).await?;
    Ok(live::log::stream(&web, by, open, from).await?)
}

/// Follows a job by server-sent events: all its logs, its steps and its status, until it has ended. Events: `log`
/// (`log`, `offset`, and `text` or `base64`), `step`, `job`, and at last `end` with the job. The ids are for
/// `Last-Event-ID` only.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/live", tag = "logs",
    params(("job" = i64, Path), ("Last-Event-ID" = Option<String>, Header, description = "An id of this stream")),
    security((), ("token" = [])), responses(
    (status = 200, body = String, content_type = "text/event-stream"),
    (status = 400, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn live(
    State(web): State<Web>,
    By(by): By,
    Address(job): Address<JobId>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let from = live::last_event_id(&headers)?;
    Ok(live::job::stream(&web, by, job, from).await?)
}
