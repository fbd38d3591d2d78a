//! What stands around every door.

use crate::arrival;
use crate::gate::{Gate, Peer, Renders, admit};
use crate::metrics::{Metrics, measure};
use crate::paths;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, HeaderName, X_CONTENT_TYPE_OPTIONS};
use ropewalk_core::error::{Error, Kind};
use std::sync::Arc;
use std::time::Duration;

/// Time from a request's arrival to the head of its answer, beside the time that a large body takes to arrive. Streams
/// may go on after that.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// Time for a request's body to arrive, beside that of [`arrival::SLOWEST`]. Handlers need some to say so when it does not.
pub const BODY_WITHIN: Duration = Duration::from_secs(50);
/// Bytes of a request's body, where a route does not say otherwise.
pub const BODY_MAX: usize = 1 << 20;

/// Puts gate, limits and measurements around doors. From the outside: metrics, paths, arrival, panics, time, gate, body.
pub fn protect(doors: Router, gate: Gate, metrics: Arc<Metrics>) -> Router {
    let render = gate.render;
    let patience = Duration::from_secs(gate.farm.settings().requests.head_within.max(1));
    doors
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(gate, admit))
        .layer(from_fn_with_state(render, in_time))
        .layer(from_fn_with_state(render, no_panic))
        .layer(from_fn_with_state((render, patience), well_arrived))
        .layer(from_fn_with_state(render, good_path))
        .layer(from_fn(plain_types))
        .layer(from_fn_with_state(metrics, measure))
}

async fn good_path(State(render): State<Renders>, request: Request, next: Next) -> Response {
    let whole = request.uri().path_and_query().map_or(0, |whole| whole.as_str().len());
    match paths::refusal(request.uri().path(), whole) {
        None => next.run(request).await,
        Some(why) => render(&request)(&Error::malformed(why)),
    }
}

async fn well_arrived(
    State((render, patience)): State<(Renders, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    match arrival::refusal(&request) {
        None => next.run(arrival::hurry(request, patience, BODY_WITHIN)).await,
        Some(why) => render(&request)(&Error::malformed(why)),
    }
}

async fn in_time(State(render): State<Renders>, request: Request, next: Next) -> Response {
    let render = render(&request);
    let within = within(&request);
    match tokio::time::timeout(within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let within = within.as_secs();
            render(&Error::new(
                Kind::Unavailable,
                format!("no answer could be had within {within} s: try again"),
            ))
        }
    }
}

/// What arrives slowly has its time: [`arrival::hurry`] ends what does not arrive.
fn within(request: &Request) -> Duration {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    ANSWER_WITHIN.saturating_add(Duration::from_secs(length.unwrap_or(0_u64) / arrival::SLOWEST))
}

/// A bug in a handler ends one request, not the server. The task that runs the handler catches the panic.
async fn no_panic(State(render): State<Renders>, request: Request, next: Next) -> Response {
    let render = render(&request);
    let address = format!("{} {}", request.method(), request.uri().path());
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!("a handler of {address} failed: {error}");
            render(&Error::internal("a bug in the server ended this request"))
        }
    }
}

/// No browser guesses types here.
async fn plain_types(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(HeaderName::from_static("referrer-policy"))
        .or_insert(HeaderValue::from_static("same-origin"));
    response
}

/// Marks a connection's requests with where they come from, for listeners.
pub fn mark(request: &mut http::Request<impl Sized>, peer: Peer) {
    request.extensions_mut().insert(peer);
}
