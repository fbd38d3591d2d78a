//! Addresses of this door.

use crate::answer::Failed;
use crate::query::{Engine, read};
use crate::{logs, schema};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use axum::{Extension, Router};
use http::Method;
use http::header::CONTENT_TYPE;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::farm::Farm;
use ropewalk_http::metrics::Metrics;
use ropewalk_http::refusal;
use ropewalk_http::routes::{Route, Routes};
use serde_json::json;
use std::sync::Arc;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) farm: Arc<Farm>,
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
}

/// All addresses of this door. Fails if the schema holds a rule that nobody enforces.
pub fn door(farm: Arc<Farm>, metrics: Arc<Metrics>) -> Result<Router, String> {
    let engine = Arc::new(Engine::new(farm.clone())?);
    let router = table().into_router().method_not_allowed_fallback(wrong_method);
    Ok(router.with_state(Door { farm, engine, metrics }))
}

/// The route table of this door.
pub fn routes() -> Vec<Route> {
    table().into_table()
}

fn table() -> Routes<Door> {
    Routes::default()
        .get("/query", answer)
        .post("/query", answer)
        .get("/query/api-meta.json", meta)
        .get("/query/schema.graphql", sdl)
        .get("/query/metrics", metrics)
        .get("/query/log/{job}/log", logs::setup)
        .get("/query/log/{job}/{task}/log", logs::task)
        .any("/query/{*rest}", nothing_here)
}

/// Whether this door answers at an address.
pub fn owns(path: &str) -> bool {
    path == "/query" || path.starts_with("/query/")
}

async fn answer(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    if let Err(error) = access::member(&caller) {
        return Failed(error).into_response();
    }
    let only_queries = request.method() != Method::POST;
    match read(request, &door.farm.settings().requests).await {
        Ok(operation) => door.engine.answer(caller, operation, only_queries).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// What a token for this server can be for.
async fn meta() -> Json<serde_json::Value> {
    Json(json!({ "scopes": ["PROFILE", "JOBS", "LOGS", "SECRETS"] }))
}

/// The same as at the server's other addresses for metrics.
async fn metrics(State(door): State<Door>) -> Result<Response, Failed> {
    Ok(door.metrics.answer()?)
}

async fn sdl() -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], schema::sdl()).into_response()
}

async fn nothing_here() -> Failed {
    Failed(refusal::nothing_here())
}

/// `Allow` is set around it.
async fn wrong_method(method: Method) -> Failed {
    Failed(refusal::wrong_method(&method))
}
