//! Databases with a history: rows of real jobs, many times over.

mod copy;

use crate::arguments::Arguments;
use crate::engine::Engine;
use crate::jobs::{CLOCK, submit};
use crate::report::{Figure, Report};
use crate::server::Parent;
use crate::stages::Stage;
use anyhow::{Context, Result, ensure};
use copy::{Copies, Template};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Jobs that one transaction makes.
const BATCH: u64 = 50_000;
/// People who own them.
const OWNERS: u64 = 100;
/// A job that does not succeed.
const FAILING: &str = "image: host\ntasks:\n  - nothing: 'true'\n  - wrong: 'false'\n  - never: 'true'\n";

/// A running server for each database and each length of history.
pub(crate) async fn stages(arguments: &Arguments, report: &mut Report) -> Result<Vec<Stage>> {
    let mut stages = vec![];
    for engine in &arguments.engines {
        for history in &arguments.history {
            match Stage::start(arguments, *engine, *history).await {
                Ok(mut stage) => {
                    fill(&mut stage, report).await.context("a history could not be made")?;
                    stages.push(stage);
                }
                Err(error) if *engine == Engine::Postgres && error.to_string().starts_with(NOT_RUN) => {
                    let why = error.to_string();
                    report.not_run("PostgreSQL", why.trim_start_matches(NOT_RUN))?;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(stages)
}

/// What the test cluster says where it cannot be had.
const NOT_RUN: &str = "NOT RUN here: PostgreSQL: ";

/// Gives a stage the history that it is named after.
async fn fill(stage: &mut Stage, report: &mut Report) -> Result<()> {
    if stage.history == 0 {
        return Ok(());
    }
    let began = Instant::now();
    let (succeeded, failed) = (ended(stage, CLOCK).await?, ended(stage, FAILING).await?);
    stage.server()?.settle().await?;
    stage.stop()?;
    let database = connect(stage).await?;
    let engine = stage.engine;
    if engine == Engine::Sqlite {
        // Whoever loses power here begins again.
        database.execute_unprepared("PRAGMA synchronous = OFF").await?;
    }
    let succeeded = Template::of(&database, succeeded).await?;
    let failed = Template::of(&database, failed).await?;
    let copies = Copies::new(&database, engine, [succeeded, failed], stage.history, OWNERS).await?;
    copies.make_owners().await?;
    for first in (1..=stage.history).step_by(usize::try_from(BATCH)?) {
        copies.make(first, (first + BATCH - 1).min(stage.history)).await?;
    }
    copies.finish().await?;
    let size = copies.bytes().await?;
    let copied = copies.first_and_last();
    database.close().await?;
    stage.start_again(&Parent::Reaper)?;
    for job in copied {
        is_shown(stage, job).await?;
    }
    let took = began.elapsed().as_secs_f64();
    report.add(Figure::new("a history is made", took, "s").of(stage))?;
    let each = size as f64 / f64::from(1 << 10) / stage.history as f64;
    report.add(Figure::new("a job in the database", each, "KiB").of(stage))
}

/// A copy must be a job like others.
async fn is_shown(stage: &Stage, job: i64) -> Result<()> {
    let mut client = stage.client()?;
    let shown = client.get_json(&format!("/api/n1/jobs/{job}")).await?;
    let is_final = shown.get("status").is_some_and(|status| status == "success" || status == "failed");
    ensure!(is_final, "a copied job is not shown as one that has ended: {shown}");
    let steps = client.get_json(&format!("/api/n1/jobs/{job}/steps")).await?;
    ensure!(steps.as_array().is_some_and(|steps| !steps.is_empty()), "a copied job has no steps: {steps}");
    let log = client.get(&format!("/api/n1/jobs/{job}/logs/0")).await?;
    ensure!(!log.is_empty(), "a copied job has no log");
    Ok(())
}

/// Submits a job and waits for its end, whatever that is.
async fn ended(stage: &Stage, manifest: &str) -> Result<i64> {
    let mut client = stage.client()?;
    let job = submit(&mut client, manifest).await?;
    while client.get_json(&format!("/api/n1/jobs/{job}")).await?.get("ended").is_none_or(Value::is_null) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(job)
}

async fn connect(stage: &Stage) -> Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(stage.database_url());
    options.max_connections(1).sqlx_logging(false);
    Ok(Database::connect(options).await?)
}
