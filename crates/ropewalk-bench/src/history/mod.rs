//! Databases with a history: rows of real jobs, many times over.

mod copy;

use crate::arguments::Arguments;
use crate::engine::Engine;
use crate::jobs::{CLOCK, submit};
use crate::report::Report;
use crate::server::Parent;
use crate::stages::Stage;
use anyhow::{Context, Result};
use copy::{Copies, Template};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::Value;
use std::time::Duration;

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
                    fill(&mut stage).await.context("a history could not be made")?;
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
async fn fill(stage: &mut Stage) -> Result<()> {
    if stage.history == 0 {
        return Ok(());
    }
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
    database.close().await?;
    stage.start_again(&Parent::Reaper)
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
