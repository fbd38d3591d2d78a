//! Addresses of this door.

use crate::answer::Failed;
use crate::query::{Engine, read};
use crate::{logs, schema};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{any, get};
use axum::{Extension, Router};
use http::Method;
use http::header::CONTENT_TYPE;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::farm::Farm;
use serde_json::json;
use std::sync::Arc;

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) farm: Arc<Farm>,
    engine: Arc<Engine>,
}

/// All addresses of this door. Fails if the schema holds a rule that nobody enforces.
pub fn door(farm: Arc<Farm>) -> Result<Router, String> {
    let engine = Arc::new(Engine::new(farm.clone())?);
    let routes = Router::new()
        .route("/query", get(answer).post(answer))
        .route("/query/api-meta.json", get(meta))
        .route("/query/schema.graphql", get(sdl))
        .route("/query/log/{job}/log", get(logs::setup))
        .route("/query/log/{job}/{task}/log", get(logs::task))
        .route("/query/{*rest}", any(nothing_here))
        .method_not_allowed_fallback(wrong_method);
    Ok(routes.with_state(Door { farm, engine }))
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

async fn sdl() -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], schema::sdl()).into_response()
}

async fn nothing_here() -> Failed {
    Failed(Error::missing("such address"))
}

/// `Allow` is set around it.
async fn wrong_method(method: Method) -> Failed {
    Failed(Error::new(Kind::WrongMethod, format!("this address takes no {method}: see the header Allow")))
}
