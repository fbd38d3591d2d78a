//! A log while it is written: from a line's printing to its arrival, after a silence.

use super::Bench;
use crate::http::Client;
use crate::jobs::{read_clock, submit};
use crate::report::Figure;
use crate::samples::Samples;
use crate::stages::Stage;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use tokio::task::JoinSet;

/// Lines, each after a silence.
const LINES: usize = 50;
/// Followers of one log.
const CROWD: usize = 100;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("A line of a live log, from its printing to its arrival")?;
    let lines = bench.arguments.scaled(LINES);
    for stage in &bench.stages {
        let alone = follow(stage, 1, lines).await?;
        let together = follow(stage, CROWD, lines).await?;
        let figure = |name: &str, value| Figure::new(name, value, "ms").of(stage);
        let report = &mut bench.report;
        report.add(figure("1 follower", alone.median()).at_most(1.0))?;
        report.add(figure("1 follower, 99 of 100", alone.percentile(99)))?;
        report.add(figure("100 followers", together.median()))?;
        report.add(figure("100 followers, 99 of 100", together.percentile(99)))?;
    }
    Ok(())
}

/// Times of all lines at all followers of one job.
async fn follow(stage: &Stage, followers: usize, lines: usize) -> Result<Samples> {
    // The first silence is long: all followers have to be there.
    let manifest = format!(
        "image: host\ntasks:\n  - clock: |\n      set +x\n      sleep 3\n      \
         for line in $(seq {lines}); do sleep 0.3; echo $EPOCHREALTIME; done\n"
    );
    let mut client = stage.client()?;
    let job = submit(&mut client, &manifest).await?;
    wait_until_running(&mut client, job).await?;
    let mut work = JoinSet::new();
    for _ in 0..followers {
        work.spawn(times(stage.client()?, job));
    }
    let mut all = Samples::default();
    while let Some(done) = work.join_next().await {
        let times = done.context("a follower broke down")??;
        ensure!(times.count() == lines, "a follower saw {} lines of {lines}", times.count());
        all.extend(times);
    }
    Ok(all)
}

async fn wait_until_running(client: &mut Client, job: i64) -> Result<()> {
    loop {
        let shown = client.get_json(&format!("/api/n1/jobs/{job}")).await?;
        match shown.get("status").and_then(Value::as_str) {
            Some("queued" | "pending") => tokio::time::sleep(Duration::from_millis(5)).await,
            Some("running") => return Ok(()),
            _ => anyhow::bail!("a job that is to be followed is over: {shown}"),
        }
    }
}

/// From printing to arrival of each line.
async fn times(client: Client, job: i64) -> Result<Samples> {
    let mut events = client.follow(&format!("/api/n1/jobs/{job}/logs/0/live")).await?;
    let mut times = Samples::default();
    while let Some(event) = events.next().await? {
        let text = event.data.get("text").and_then(Value::as_str).unwrap_or_default();
        for printed in text.lines().filter_map(|line| read_clock(line.as_bytes())) {
            times.push_time(event.arrived.duration_since(printed).context("the clock went back")?);
        }
        if event.name == "end" {
            return Ok(times);
        }
    }
    anyhow::bail!("the stream of a log ended before the log")
}
