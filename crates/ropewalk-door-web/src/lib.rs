//! Our own door: the API under `/api/n1` and the addresses for whoever watches over the server.

mod answer;
mod args;
mod live;
mod n1;
mod published;
mod watch;

use axum::Router;
use ropewalk_core::farm::Farm;
use ropewalk_http::metrics::Metrics;
use ropewalk_http::rates::Rates;
use ropewalk_http::readiness::Readiness;
use std::sync::Arc;

pub use answer::render;
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
    /// Becomes true when the server stops: live streams end then.
    pub stopping: tokio::sync::watch::Receiver<bool>,
}

/// All addresses of this door.
pub fn door(web: Web) -> Router {
    let doors = n1::router().merge(published::router()).merge(watch::router());
    doors.fallback(answer::nothing_here).method_not_allowed_fallback(answer::wrong_method).with_state(web)
}
