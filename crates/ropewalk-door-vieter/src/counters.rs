//! What is counted about this door's requests, under Vieter's prefix.

use crate::table::Row;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use ropewalk_core::error::Error;
use std::time::Duration;

/// The route's pattern, never an address.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    path: &'static str,
    status: u16,
}

/// Counters of one server.
#[derive(Debug)]
pub(crate) struct Counters {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vieter");
        let requests = Family::<Labels, Counter>::default();
        let seconds = Histogram::new(exponential_buckets(0.001, 4.0, 8));
        registry.register("http_requests", "Requests answered, by route and status", requests.clone());
        registry.register(
            "http_requests_duration_seconds",
            "Time to the head of the answer",
            seconds.clone(),
        );
        Counters { registry, requests, seconds }
    }
}

impl Counters {
    /// Counts an answer; those at no address of the table count as none.
    pub(crate) fn count(&self, row: Option<&Row>, status: StatusCode, took: Duration) {
        let (method, path) = row.map_or(("", ""), |row| (row.method, row.path));
        self.requests.get_or_create(&Labels { method, path, status: status.as_u16() }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// All of them as text.
    pub(crate) fn answer(&self) -> Result<Response, Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(Error::internal)?;
        Ok(([(CONTENT_TYPE, "text/plain")], text).into_response())
    }
}
