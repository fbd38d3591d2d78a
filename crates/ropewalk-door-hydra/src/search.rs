//! Searching for projects, jobsets and builds.

use crate::answer::Failed;
use crate::asked::Asked;
use crate::door::Hydra;
use crate::view;
use axum::Json;
use axum::extract::State;
use ropewalk_http::parts::By;
use serde_json::{Value, json};

/// Builds of one list, where nothing else is asked for, and at most.
const LIMIT: u32 = 10;
const LIMIT_MAX: u32 = 50;
/// Projects and jobsets.
const NAMES_MAX: u32 = 1000;
/// Bytes of what is searched for.
const TEXT_MAX: usize = 1024;

pub(crate) async fn search(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Value>, Failed> {
    let text = asked.get("query").unwrap_or_default().trim();
    let is_plain = |c: char| c.is_alphanumeric() || "_-/.".contains(c);
    if text.is_empty() {
        return Err(Failed::Search("search for something: `?query=TEXT`"));
    }
    if text.len() > TEXT_MAX || !text.chars().all(is_plain) {
        return Err(Failed::Search("a search takes letters, digits and _ - / . only"));
    }
    let limit = asked.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(LIMIT);
    let limit = limit.clamp(1, LIMIT_MAX);
    let projects = hydra.farm.find_projects(&by, text, NAMES_MAX).await?;
    let jobsets = hydra.farm.find_jobsets(&by, text, NAMES_MAX).await?;
    // Clients break on builds without an end or a path.
    let mut builds = hydra.farm.find_builds(&by, text, limit).await?;
    builds.retain(|build| build.finished && build.outputs.values().all(Option::is_some));
    let by_drv = hydra.farm.find_builds_by_drv(&by, text, limit).await?;
    Ok(Json(json!({
        "projects": projects.iter().map(view::project).collect::<Vec<_>>(),
        "jobsets": jobsets.iter().map(view::jobset).collect::<Vec<_>>(),
        "builds": builds.iter().map(view::build).collect::<Vec<_>>(),
        "buildsdrv": by_drv.iter().map(view::build).collect::<Vec<_>>(),
    })))
}
