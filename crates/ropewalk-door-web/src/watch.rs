//! For whoever watches over the server.

use crate::Web;
use crate::answer::Failed;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::routes::Routes;

pub(crate) fn routes() -> Routes<Web> {
    Routes::default()
        .get("/healthz", alive)
        .get("/readyz", ready)
        .get("/metrics", metrics)
        .get("/prometheus", metrics)
}

/// The process answers.
async fn alive() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// New requests may be sent here: the database answers, the disk has room, the runner runs and the server is not
/// stopping.
async fn ready(State(web): State<Web>) -> Result<&'static str, Failed> {
    if *web.stopping.borrow() {
        return Err(Error::new(Kind::Unavailable, "the server is stopping").into());
    }
    web.readiness.check().await?;
    web.farm.ready().await?;
    Ok("ok\n")
}

async fn metrics(State(web): State<Web>) -> Result<Response, Failed> {
    Ok(web.metrics.answer()?)
}
