//! For whoever watches over the server.

use crate::Web;
use crate::answer::Failed;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::metrics::CONTENT_TYPE as OPENMETRICS;

pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/prometheus", get(metrics))
        .route("/query/metrics", get(metrics))
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
    let text = web.metrics.text().map_err(Error::internal)?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}
