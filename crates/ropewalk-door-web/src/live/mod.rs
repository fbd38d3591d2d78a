//! Live streams by server-sent events.

pub(crate) mod job;
pub(crate) mod log;
mod text;

use crate::Web;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderName, HeaderValue};
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::logs::READ_MAX;
use ropewalk_http::ahead::ahead;
use ropewalk_model::ids::JobId;
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;
use tokio::sync::watch;

/// A comment is sent after so long a silence, so that neither side takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is let go of.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a log in one event.
const EVENT_MAX: usize = READ_MAX;

/// Where a client that comes back goes on; the start for a new one.
pub(crate) fn last_event_id<T: FromStr + Default>(headers: &HeaderMap) -> Result<T, Error> {
    let Some(value) = headers.get("last-event-id") else { return Ok(T::default()) };
    let read = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    read.ok_or_else(|| {
        Error::malformed("Last-Event-ID is no id of this stream: leave it out to begin at the start")
    })
}

/// Answers with a stream of events of a job. It ends when the server stops, and when its reader may not read any more;
/// clients come back by themselves.
pub(crate) fn answer(
    web: &Web,
    by: Caller,
    job: JobId,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    use futures_util::StreamExt;
    let (farm, stopping) = (web.farm.clone(), web.stopping.clone());
    let over = async move {
        tokio::select! {
            () = stopped(stopping) => {}
            why = farm.lost_access(&by, job) => tracing::info!(%job, "a live stream was ended: {why}"),
        }
    };
    let events = ahead(events, over, PATIENCE).map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies of this kind hold answers back by default.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// An event whose data is JSON on one line.
pub(crate) fn event(name: &str, data: &impl serde::Serialize) -> Event {
    // These types are plain: their serialisation cannot fail.
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}
