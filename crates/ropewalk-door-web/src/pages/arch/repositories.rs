//! The list of repositories.

use super::parts;
use crate::Web;
use crate::pages::addresses;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::When;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::port::Repository;
use ropewalk_model::time::Time;

/// Repositories of one page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "arch-repositories.html")]
struct RepositoriesPage {
    frame: Frame,
    /// Address of this server.
    origin: String,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

struct Row {
    name: String,
    address: String,
    owner: String,
    owner_address: String,
    archs: Vec<String>,
    changed: Option<When>,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let (farm, now) = (&web.farm, web.farm.now());
    let after = fields.text("after");
    let mut found = farm.repositories(&frame.by, after.unwrap_or_default(), ROWS + 1).await?;
    let has_more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    Ok(page(&RepositoriesPage {
        origin: farm.settings().origin.clone(),
        is_first: after.is_none(),
        next: found.last().filter(|_| has_more).map(|last| last.name.clone()),
        rows: found.into_iter().map(|repository| row(repository, now)).collect(),
        frame: frame.at("packages"),
    }))
}

fn row(repository: Repository, now: Time) -> Row {
    let Repository { name, owner_name, archs, .. } = repository;
    Row {
        address: parts::repository(&name),
        owner_address: addresses::of_person(&owner_name),
        owner: owner_name,
        changed: archs.iter().map(|(_, changed)| *changed).max().map(|changed| parts::when(changed, now)),
        archs: archs.into_iter().map(|(arch, _)| arch).collect(),
        name,
    }
}
