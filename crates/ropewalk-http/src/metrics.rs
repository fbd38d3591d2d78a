//! What the server counts about its requests.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use ropewalk_core::error::Error;
use std::sync::Arc;
use std::time::Instant;

/// `Content-Type` of the text that [`Metrics::text`] gives.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Labels have few values: the route's pattern, never an address.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: String,
    status: u16,
}

/// Counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Histogram,
    streams: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("ropewalk");
        let requests = Family::<Labels, Counter>::default();
        let seconds = Histogram::new(exponential_buckets(0.001, 4.0, 8));
        let streams = Gauge::default();
        registry.register("http_requests", "Requests answered, by route and status", requests.clone());
        registry.register("http_answer_seconds", "Time to the head of the answer", seconds.clone());
        registry.register("live_streams", "Readers of live events now", streams.clone());
        Metrics { registry, requests, seconds, streams }
    }
}

impl Metrics {
    /// All counters in the text format of OpenMetrics.
    pub fn answer(&self) -> Result<Response, Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(Error::internal)?;
        Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
    }

    /// Counts a live reader until the value is dropped.
    pub fn stream(self: &Arc<Self>) -> StreamCount {
        self.streams.inc();
        StreamCount { metrics: self.clone() }
    }
}

/// One live reader.
#[derive(Debug)]
pub struct StreamCount {
    metrics: Arc<Metrics>,
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.metrics.streams.dec();
    }
}

/// Middleware: counts a request and the time to the head of its answer.
pub async fn measure(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let method = known(request.method());
    let response = next.run(request).await;
    let status = response.status().as_u16();
    // Behind a fallback are routes that only the answer tells.
    let matched = matched.or_else(|| response.extensions().get::<MatchedPath>().cloned());
    let route = matched.map_or_else(String::new, |route| route.as_str().to_string());
    metrics.requests.get_or_create(&Labels { method, route, status }).inc();
    metrics.seconds.observe(started.elapsed().as_secs_f64());
    response
}

/// Methods are the client's free text.
fn known(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
