//! A large log: until its job has ended, until it was fetched, and what the server's memory grows by.

use super::Bench;
use crate::floors::{lines, pipe_to_file};
use crate::jobs::{ask_to_end, submit};
use crate::processor::{forget_peak, memory};
use crate::report::Figure;
use crate::samples::Samples;
use crate::stages::Stage;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const BYTES: usize = 200_000_000;
/// How often it is asked whether the job has ended.
const ASK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Measured {
    finished: Samples,
    fetched: Samples,
    growth: Samples,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    let bytes = bench.arguments.scaled(BYTES) as u64;
    bench.report.title(&format!("A log of {} MB in lines of 80 bytes", bytes / 1_000_000))?;
    let mut floor = Samples::default();
    let mut stages: Vec<Measured> = bench.stages.iter().map(|_| Measured::default()).collect();
    for _ in 0..bench.arguments.scaled(ROUNDS) {
        floor.push(rate(bytes, pipe_to_file(&bench.arguments.folder, bytes)?));
        for (stage, measured) in bench.stages.iter().zip(&mut stages) {
            one(stage, bytes, measured).await?;
        }
    }
    let report = &mut bench.report;
    let pipe = "pipe into a file";
    report.add(Figure::new(pipe, floor.median(), "MB/s"))?;
    for (stage, measured) in bench.stages.iter().zip(&stages) {
        let rate = |name: &str, rates: &Samples| {
            Figure::new(name, rates.median(), "MB/s").of(stage).beside(pipe, floor.median())
        };
        report.add(rate("log, until finished", &measured.finished).at_least_times(0.5))?;
        report.add(rate("log, until fetched", &measured.fetched))?;
        let growth = Figure::new("growth of the server's memory", measured.growth.median(), "MiB").of(stage);
        report.add(growth.at_most(8.0))?;
    }
    Ok(())
}

async fn one(stage: &Stage, bytes: u64, measured: &mut Measured) -> Result<()> {
    let manifest = format!("image: host\ntasks:\n  - log: |\n      set +x\n      {}\n", lines(bytes));
    let (pid, mut client) = (stage.server()?.pid(), stage.client()?);
    client.get("/healthz").await?;
    forget_peak(pid)?;
    let (before, began) = (memory(pid, "VmRSS")?, Instant::now());
    let job = submit(&mut client, &manifest).await?;
    ask_to_end(&mut client, job, ASK).await?;
    measured.finished.push(rate(bytes, began.elapsed()));
    let fetched = client.fetch(&format!("/api/n1/jobs/{job}/logs/0")).await?;
    measured.fetched.push(rate(bytes, began.elapsed()));
    ensure!(fetched >= bytes, "the log has {fetched} bytes instead of {bytes}");
    let growth = memory(pid, "VmHWM")?.saturating_sub(before);
    measured.growth.push(growth as f64 / f64::from(1 << 20));
    Ok(())
}

/// Millions of bytes a second.
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}
