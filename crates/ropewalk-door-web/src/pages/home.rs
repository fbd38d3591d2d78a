//! The first page: what runs, what waits and why, what failed lately.

use super::failure::Failure;
use super::farm;
use super::frame::{Frame, page};
use super::jobs::{Row, find};
use super::query::Query;
use super::show;
use crate::Web;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::jobs::JobQuery;
use ropewalk_model::status::JobStatus;
use ropewalk_model::time::Time;

/// Rows of one section.
const FEW: u32 = 8;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    running: Vec<Row>,
    running_in_all: String,
    waiting: Vec<(Row, String)>,
    waiting_in_all: String,
    failed: Vec<Row>,
    own: Vec<Row>,
    runners: Vec<Runner>,
}

impl HomePage {
    /// A new farm, or somebody who has not begun, and nothing else to show them.
    fn is_new(&self) -> bool {
        self.own.is_empty() && self.running.is_empty() && self.waiting.is_empty() && self.failed.is_empty()
    }

    /// A manifest to begin with.
    fn example(&self) -> &'static str {
        super::submit::EXAMPLE
    }
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    frame: Frame,
    rows: Vec<Row>,
    origin: String,
}

struct Runner {
    name: String,
    slots: u32,
    seen: show::When,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame) -> Result<Response, Failure> {
    let frame = frame.at("home");
    match frame.by {
        Caller::Anonymous => welcome(&web, frame).await,
        _ => health(&web, frame).await,
    }
}

async fn welcome(web: &Web, frame: Frame) -> Result<Response, Failure> {
    let rows = jobs(web, &frame.by, None, web.farm.now()).await?;
    Ok(page(&WelcomePage { frame, rows, origin: web.farm.settings().origin.clone() }))
}

async fn health(web: &Web, frame: Frame) -> Result<Response, Failure> {
    let now = web.farm.now();
    let queue = web.farm.queue(&frame.by, None, FEW).await?.items;
    let waiting_in_all = in_all(queue.len());
    let waiting = queue
        .iter()
        .filter_map(|waiter| Some((Row::new(&waiter.job, now), show::waiting(&waiter.waiting, now)?)));
    let own = match frame.name() {
        Some(name) => find(web, &frame.by, &Query::of(name), None, FEW as usize).await?.rows,
        None => vec![],
    };
    let runners = web.farm.runners(&frame.by).await?.into_iter().filter(farm::is_machine);
    let runners = runners.map(|runner| Runner {
        name: runner.name,
        slots: runner.slots,
        seen: show::When::new(runner.seen, now),
    });
    let running = jobs(web, &frame.by, Some(JobStatus::Running), now).await?;
    Ok(page(&HomePage {
        running_in_all: in_all(running.len()),
        running,
        waiting_in_all,
        waiting: waiting.collect(),
        failed: jobs(web, &frame.by, Some(JobStatus::Failed), now).await?,
        own: own.iter().map(|job| Row::new(job, now)).collect(),
        runners: runners.collect(),
        frame,
    }))
}

/// How many there are, when no more than [`FEW`] were asked for.
fn in_all(shown: usize) -> String {
    if shown < FEW as usize { shown.to_string() } else { format!("{shown} or more") }
}

async fn jobs(web: &Web, by: &Caller, status: Option<JobStatus>, now: Time) -> Result<Vec<Row>, Error> {
    let query = JobQuery { status, ..JobQuery::default() };
    let jobs = web.farm.jobs(by, query, None, FEW).await?.items;
    Ok(jobs.iter().map(|job| Row::new(job, now)).collect())
}
