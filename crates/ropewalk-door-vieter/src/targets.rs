//! `/api/v1/targets`.

use crate::answer::{bare, data};
use crate::asked::Asked;
use crate::door::Asking;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::arch::{TargetChange, TargetWish};
use ropewalk_core::error::Error;
use ropewalk_core::port::{Target, TargetFields, TargetFilter, TargetKind, Window};
use serde::Serialize;

/// Items of a list where nothing else is asked for.
const PAGE: u64 = 25;

#[derive(Serialize)]
struct Shown {
    id: i64,
    kind: TargetKind,
    url: String,
    branch: String,
    repo: String,
    schedule: String,
    path: String,
    arch: Vec<ShownArch>,
}

#[derive(Serialize)]
struct ShownArch {
    id: i64,
    target_id: i64,
    value: String,
}

impl From<Target> for Shown {
    fn from(target: Target) -> Shown {
        let Target { id, fields, archs, .. } = target;
        let TargetFields { kind, url, branch, repo, schedule, path } = fields;
        let arch = archs.into_iter().map(|arch| ShownArch { id: arch.id, target_id: id, value: arch.value });
        Shown { id, kind, url, branch, repo, schedule, path, arch: arch.collect() }
    }
}

/// `limit` and `offset`; a limit of 0 is none.
pub(crate) fn window(asked: &Asked) -> Result<Window, Error> {
    let limit = asked.count("limit", PAGE)?;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    Ok(Window { limit, offset: asked.count("offset", 0)? })
}

pub(crate) async fn list(asking: Asking<'_>) -> Result<Response, Error> {
    let Asking { farm, caller, asked, .. } = asking;
    let filter = TargetFilter {
        repo: asked.text("repo"),
        arch: asked.text("arch"),
        query: asked.text("query"),
        after: 0,
    };
    let targets = farm.targets(caller, &filter, window(asked)?).await?;
    Ok(data(targets.into_iter().map(Shown::from).collect::<Vec<_>>()))
}

pub(crate) async fn show(asking: Asking<'_>, id: i64) -> Result<Response, Error> {
    Ok(data(Shown::from(asking.farm.target(asking.caller, id).await?)))
}

pub(crate) async fn create(asking: Asking<'_>) -> Result<Response, Error> {
    let Asking { farm, caller, asked, .. } = asking;
    for name in ["kind", "url", "repo"] {
        if asked.text(name).is_empty() {
            return Err(Error::malformed(format!("Missing parameter: {name}.")));
        }
    }
    let fields = TargetFields {
        kind: kind(&asked.text("kind"))?,
        url: asked.text("url"),
        branch: asked.text("branch"),
        repo: asked.text("repo"),
        schedule: asked.text("schedule"),
        path: asked.text("path"),
    };
    let wish = TargetWish { fields, archs: asked.text("arch") };
    let target = farm.create_target(caller, wish).await?;
    Ok(data(target.id))
}

fn kind(text: &str) -> Result<TargetKind, Error> {
    text.parse().map_err(|_| Error::malformed("Invalid kind."))
}

pub(crate) async fn update(asking: Asking<'_>, id: i64) -> Result<Response, Error> {
    let Asking { farm, caller, asked, .. } = asking;
    let given = |name: &str| asked.get(name).map(String::from);
    let change = TargetChange {
        kind: given("kind").map(|text| kind(&text)).transpose()?,
        url: given("url"),
        branch: given("branch"),
        repo: given("repo"),
        schedule: given("schedule"),
        path: given("path"),
        archs: given("arch"),
    };
    let target = farm.update_target(caller, id, change).await?;
    Ok(data(Shown::from(target)))
}

pub(crate) async fn delete(asking: Asking<'_>, id: i64) -> Result<Response, Error> {
    asking.farm.delete_target(asking.caller, id).await?;
    Ok(bare(StatusCode::OK))
}
