//! What waits, and why.

use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::jobs::{ROWS, Row};
use crate::pages::show;
use askama::Template;
use axum::extract::State;
use axum::response::Response;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    /// Jobs, and why each waits.
    rows: Vec<(Row, String)>,
    is_first: bool,
    older: Option<i64>,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let now = web.farm.now();
    let before = fields.number::<i64>("before");
    let found = web.farm.queue(&frame.by, before, u32::try_from(ROWS).unwrap_or(u32::MAX)).await?;
    let why = |waiting| show::waiting(waiting, now).unwrap_or_else(|| "It is about to run.".into());
    let rows = found.items.iter().map(|waiter| (Row::new(&waiter.job, now), why(&waiter.waiting)));
    Ok(page(&QueuePage {
        rows: rows.collect(),
        is_first: before.is_none(),
        older: found.next,
        frame: frame.at("queue"),
    }))
}
