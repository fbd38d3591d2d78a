//! What runs.

use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::jobs::{ROWS, Row};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::jobs::JobQuery;
use ropewalk_model::status::JobStatus;

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    frame: Frame,
    rows: Vec<Row>,
    is_first: bool,
    older: Option<i64>,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let now = web.farm.now();
    let before = fields.number::<i64>("before");
    let query = JobQuery { status: Some(JobStatus::Running), ..JobQuery::default() };
    let found = web.farm.jobs(&frame.by, query, before, u32::try_from(ROWS).unwrap_or(u32::MAX)).await?;
    Ok(page(&StatusPage {
        rows: found.items.iter().map(|job| Row::new(job, now)).collect(),
        is_first: before.is_none(),
        older: found.next,
        frame: frame.at("queue"),
    }))
}
