//! What builds: the runners.

use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::frame::{Frame, page};
use crate::pages::show::When;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::port::RunnerRow;
use ropewalk_model::time::Time;

#[derive(Template)]
#[template(path = "machines.html")]
struct MachinesPage {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    /// What it runs builds with.
    kinds: Vec<String>,
    archs: Vec<String>,
    /// Images that it is limited to, and what else it offers.
    more: Vec<String>,
    slots: u32,
    seen: When,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame) -> Result<Response, Failure> {
    let now = web.farm.now();
    let runners = web.farm.runners(&frame.by).await?.into_iter();
    let rows = runners.filter(is_machine).map(|runner| row(runner, now)).collect();
    Ok(page(&MachinesPage { rows, frame: frame.at("queue") }))
}

/// Some rows stand for agents that speak another dialect, wherever they are.
pub(in crate::pages) fn is_machine(runner: &RunnerRow) -> bool {
    runner.labels.kinds.iter().any(|kind| kind != "agent")
}

fn row(runner: RunnerRow, now: Time) -> Row {
    let labels = runner.labels;
    Row {
        name: runner.name,
        kinds: labels.kinds.into_iter().collect(),
        archs: labels.archs.into_iter().collect(),
        more: labels.images.into_iter().chain(labels.features).collect(),
        slots: runner.slots,
        seen: When::new(runner.seen, now),
    }
}
