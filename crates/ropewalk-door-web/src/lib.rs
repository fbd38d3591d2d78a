//! Our own door: the pages, the API under `/api/n1`, and the addresses for whoever watches over the server.

mod answer;
mod args;
mod door;
mod live;
mod log;
mod n1;
mod pages;
mod published;
pub mod terminal;
mod visible;
mod watch;

use ropewalk_core::farm::Farm;
use ropewalk_http::metrics::Metrics;
use ropewalk_http::rates::Rates;
use ropewalk_http::readiness::Readiness;
use ropewalk_http::session::Cookies;
use std::sync::Arc;

pub use door::{door, render, routes};
pub use n1::openapi;

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Web {
    /// The use cases.
    pub farm: Arc<Farm>,
    /// Counts live readers.
    pub metrics: Arc<Metrics>,
    /// Counts log-ins.
    pub rates: Arc<Rates>,
    /// What must work besides the database.
    pub readiness: Readiness,
    /// How sessions are handed out.
    pub cookies: Cookies,
    /// Becomes true when the server stops: live streams end then.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}
