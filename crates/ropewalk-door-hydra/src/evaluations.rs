//! Evaluations.

use crate::answer::{Failed, led};
use crate::asked::Asked;
use crate::door::Hydra;
use crate::jobsets::find;
use crate::order::Order;
use crate::view;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{StatusCode, Uri};
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::nix::{EVALUATIONS_PAGE, Restart};
use ropewalk_core::port::Build;
use ropewalk_http::parts::{Address, By};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Builds that are read at once.
const BATCH: u32 = 500;

pub(crate) async fn show(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Json<Value>, Failed> {
    Ok(Json(view::evaluation(&hydra.farm.evaluation(&by, id).await?)))
}

/// A page of a jobset's evaluations. What is no number is the first one.
pub(crate) async fn of_jobset(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, name)): Address<(String, String)>,
    asked: Asked,
    uri: Uri,
) -> Result<Json<Value>, Failed> {
    let jobset = find(&hydra, &by, &uri, &project, &name).await?;
    let page = asked.get("page").and_then(|page| page.parse::<u32>().ok()).unwrap_or(1).max(1);
    let found = hydra.farm.evaluation_page(&by, jobset.id, page).await?;
    let size = i64::from(EVALUATIONS_PAGE);
    let last = (found.total + size - 1) / size;
    let mut view = json!({
        "first": "?page=1",
        "last": format!("?page={last}"),
        "evals": found.evaluations.iter().map(view::evaluation).collect::<Vec<_>>(),
    });
    if let Some(members) = view.as_object_mut() {
        if i64::from(page) < last {
            members.insert("next".into(), format!("?page={}", page + 1).into());
        }
        if page > 1 {
            members.insert("previous".into(), format!("?page={}", page - 1).into());
        }
    }
    Ok(Json(view))
}

/// Leads to the newest evaluation none of whose builds is unfinished.
pub(crate) async fn latest(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, name)): Address<(String, String)>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_latest(&hydra, &by, &uri, [&project, &name, ""]).await
}

pub(crate) async fn latest_below(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, name, rest)): Address<(String, String, String)>,
    uri: Uri,
) -> Result<Response, Failed> {
    to_latest(&hydra, &by, &uri, [&project, &name, &rest]).await
}

async fn to_latest(
    hydra: &Hydra,
    by: &Caller,
    uri: &Uri,
    [project, name, rest]: [&str; 3],
) -> Result<Response, Failed> {
    let jobset = find(hydra, by, uri, project, name).await?;
    let id = hydra.farm.latest_evaluation(by, jobset.id).await?;
    Ok(led(StatusCode::FOUND, &below(hydra, &format!("eval/{id}"), rest, uri)))
}

/// An address with what followed in the one that was asked.
pub(crate) fn below(hydra: &Hydra, address: &str, rest: &str, uri: &Uri) -> String {
    let segments = rest
        .split('/')
        .map(|segment| percent_encoding::utf8_percent_encode(segment, crate::jobsets::SEGMENT).to_string());
    let rest =
        if rest.is_empty() { String::new() } else { format!("/{}", segments.collect::<Vec<_>>().join("/")) };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{address}{rest}{query}", hydra.farm.settings().origin)
}

/// All builds of an evaluation, read and sent in parts: there may be a hundred thousand.
pub(crate) async fn builds(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Response, Failed> {
    hydra.farm.evaluation(&by, id).await?;
    let parts = stream::try_unfold(Some(0), move |after| {
        let (farm, by) = (hydra.farm.clone(), by.clone());
        async move {
            let Some(after) = after else { return Ok::<_, Error>(None) };
            let builds = farm.evaluation_builds(&by, id, after, BATCH).await?;
            let last = builds.last().map(|build| build.id);
            Ok(Some((part(&builds, after == 0)?, last)))
        }
    });
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(parts)).into_response())
}

/// A part of a JSON array; the last one is empty.
fn part(builds: &[Build], is_first: bool) -> Result<Bytes, Error> {
    let mut text = String::from(if is_first { "[" } else { "" });
    for (at, build) in builds.iter().enumerate() {
        text.push_str(if is_first && at == 0 { "" } else { "," });
        text.push_str(&serde_json::to_string(&view::build(build)).map_err(Error::internal)?);
    }
    if builds.is_empty() {
        text.push(']');
    }
    Ok(text.into())
}

/// Outputs of succeeded builds that are offered whole.
pub(crate) async fn store_paths(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Json<BTreeSet<String>>, Failed> {
    hydra.farm.evaluation(&by, id).await?;
    let (mut paths, mut after) = (BTreeSet::new(), 0);
    loop {
        let builds = hydra.farm.evaluation_builds(&by, id, after, BATCH).await?;
        let Some(last) = builds.last() else { return Ok(Json(paths)) };
        after = last.id;
        let offered = builds.into_iter().filter(|build| {
            build.status == Some(0) && build.products.iter().any(|product| product.kind == "nix-build")
        });
        paths.extend(offered.flat_map(|build| build.outputs.into_values().flatten()));
    }
}

pub(crate) async fn cancel(order: Order<i64>) -> Result<Response, Failed> {
    let id = order.about;
    order.hydra.farm.cancel_evaluation(&order.by, id).await?;
    Ok(order.done("eval", id))
}

pub(crate) async fn restart_failed(order: Order<i64>) -> Result<Response, Failed> {
    restart(order, Restart::Failed).await
}

pub(crate) async fn restart_aborted(order: Order<i64>) -> Result<Response, Failed> {
    restart(order, Restart::Aborted).await
}

async fn restart(order: Order<i64>, which: Restart) -> Result<Response, Failed> {
    let id = order.about;
    order.hydra.farm.restart_evaluation(&order.by, id, which).await?;
    Ok(order.done("eval", id))
}

pub(crate) async fn bump(order: Order<i64>) -> Result<Response, Failed> {
    let id = order.about;
    order.hydra.farm.bump_evaluation(&order.by, id).await?;
    Ok(order.done("eval", id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn parts_are_one_array() {
        let build = |id| Build { id, ..Build::default() };
        for parts in [vec![], vec![vec![1, 2], vec![3]], vec![vec![1]]] {
            let mut text = String::new();
            let mut is_first = true;
            for ids in parts.iter().chain([&vec![]]) {
                let builds: Vec<_> = ids.iter().copied().map(build).collect();
                text.push_str(std::str::from_utf8(&part(&builds, is_first).unwrap()).unwrap());
                is_first = false;
            }
            let read: Vec<Value> = serde_json::from_str(&text).unwrap();
            let ids: Vec<_> = read.iter().filter_map(|build| build["id"].as_i64()).collect();
            assert_eq!(ids, parts.concat());
        }
    }
}
