//! Builds.

use crate::answer::{Failed, led};
use crate::door::Hydra;
use crate::origin;
use crate::parts::{Address, By};
use crate::view;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use ropewalk_core::error::Error;
use serde_json::Value;

pub(crate) async fn show(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Json<Value>, Failed> {
    Ok(Json(view::build(&hydra.farm.nix_build(&by, id).await?)))
}

/// What others need to take over a build.
pub(crate) async fn info(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Json<Value>, Failed> {
    Ok(Json(view::info(&hydra.farm.nix_build(&by, id).await?)))
}

/// What an aggregate consists of.
pub(crate) async fn constituents(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Json<Vec<Value>>, Failed> {
    Ok(Json(hydra.farm.nix_constituents(&by, id).await?.iter().map(view::build).collect()))
}

fn to(hydra: &Hydra, id: i64) -> Response {
    led(StatusCode::FOUND, &format!("{}/build/{id}", hydra.farm.settings().origin))
}

pub(crate) async fn restart(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    origin::check_order(&method, &headers, &hydra.farm.settings().origin)?;
    hydra.farm.restart_build(&by, id).await?;
    Ok(to(&hydra, id))
}

pub(crate) async fn cancel(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    origin::check_order(&method, &headers, &hydra.farm.settings().origin)?;
    hydra.farm.cancel_build(&by, id).await?;
    Ok(to(&hydra, id))
}

pub(crate) async fn bump(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    origin::check_order(&method, &headers, &hydra.farm.settings().origin)?;
    hydra.farm.bump_build(&by, id).await?;
    Ok(to(&hydra, id))
}

pub(crate) async fn keep(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((id, keep)): Address<(i64, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    origin::check_order(&method, &headers, &hydra.farm.settings().origin)?;
    let keep = match keep.as_str() {
        "0" => false,
        "1" => true,
        _ => return Err(Error::missing("such address").into()),
    };
    hydra.farm.keep_build(&by, id, keep).await?;
    Ok(to(&hydra, id))
}
