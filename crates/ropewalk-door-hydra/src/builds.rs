//! Builds.

use crate::answer::Failed;
use crate::door::Hydra;
use crate::order::Order;
use crate::view;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ropewalk_http::parts::{Address, By};
use ropewalk_http::refusal;
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

pub(crate) async fn restart(order: Order<i64>) -> Result<Response, Failed> {
    let id = order.about;
    order.hydra.farm.restart_build(&order.by, id).await?;
    Ok(order.done("build", id))
}

pub(crate) async fn cancel(order: Order<i64>) -> Result<Response, Failed> {
    let id = order.about;
    order.hydra.farm.cancel_build(&order.by, id).await?;
    Ok(order.done("build", id))
}

pub(crate) async fn bump(order: Order<i64>) -> Result<Response, Failed> {
    let id = order.about;
    order.hydra.farm.bump_build(&order.by, id).await?;
    Ok(order.done("build", id))
}

pub(crate) async fn keep(order: Order<(i64, String)>) -> Result<Response, Failed> {
    let (id, keep) = &order.about;
    let (id, keep) = match keep.as_str() {
        "0" => (*id, false),
        "1" => (*id, true),
        _ => return Err(refusal::nothing_here().into()),
    };
    order.hydra.farm.keep_build(&order.by, id, keep).await?;
    Ok(order.done("build", id))
}
