//! Trivial jobs per second, and what each costs the processors.

use super::Bench;
use crate::floors::BareSandbox;
use crate::jobs::{TRIVIAL, follow_to_end, submit};
use crate::own::Opened;
use crate::report::Figure;
use crate::samples::Samples;
use crate::stages::{Stage, slots};
use anyhow::{Context, Result};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
/// Jobs, or bare sandboxes, of one submitter and round.
const EACH: usize = 10;
/// Submitters at the same time.
const CROWD: usize = 8;

/// Rates, and processor milliseconds of one of them.
#[derive(Default)]
struct Measured {
    alone: Samples,
    together: Samples,
    used: Samples,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("Trivial jobs, one submitter and eight")?;
    let folder = &bench.arguments.folder;
    let network = bench.arguments.network;
    let bare = (0..slots()).map(|slot| BareSandbox::start(&folder.join(format!("bare-{slot}")), network));
    let mut bare = bare.collect::<Result<Vec<_>>>()?;
    let mut floor = Measured::default();
    let mut stages: Vec<Measured> = bench.stages.iter().map(|_| Measured::default()).collect();
    for _ in 0..bench.arguments.scaled(ROUNDS) {
        let alone = bare.get_mut(..1).unwrap_or_default();
        floor.alone.push(open_all(alone, &mut floor.used)?);
        floor.together.push(open_all(&mut bare, &mut floor.used)?);
        for (stage, measured) in bench.stages.iter().zip(&mut stages) {
            measured.alone.push(submit_all(stage, 1, EACH, &mut measured.used).await?);
            measured.together.push(submit_all(stage, CROWD, EACH, &mut measured.used).await?);
        }
    }
    let report = &mut bench.report;
    let (one, many) = ("bare sandboxes, one at a time", "bare sandboxes, one a processor");
    report.add(Figure::new(one, floor.alone.median(), "/s"))?;
    report.add(Figure::new(many, floor.together.median(), "/s"))?;
    for (stage, measured) in bench.stages.iter().zip(&stages) {
        let rate = |name: &str, rates: &Samples| Figure::new(name, rates.median(), "/s").of(stage);
        let figure = rate("jobs, 1 submitter", &measured.alone).beside(one, floor.alone.median());
        report.add(figure.at_least_times(0.9))?;
        let figure = rate("jobs, 8 submitters", &measured.together).beside(many, floor.together.median());
        report.add(figure.at_least_times(0.9))?;
        let used = Figure::new("processor time of a job", measured.used.median(), "ms").of(stage);
        report.add(used.beside("of a bare sandbox", floor.used.median()).at_most_more(2.0))?;
    }
    Ok(())
}

/// All open sandboxes at the same time; answers how many a second.
fn open_all(bare: &mut [BareSandbox], used: &mut Samples) -> Result<f64> {
    let count = bare.len() * EACH;
    let began = Instant::now();
    let opened: Vec<Result<Vec<Opened>>> = std::thread::scope(|scope| {
        let open = |one: &mut BareSandbox| (0..EACH).map(|_| one.open()).collect();
        let threads: Vec<_> = bare.iter_mut().map(|one| scope.spawn(move || open(one))).collect();
        let join =
            |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().unwrap_or_else(|_| Ok(vec![]));
        threads.into_iter().map(join).collect()
    });
    let took = began.elapsed();
    let opened: Vec<Opened> = opened.into_iter().collect::<Result<Vec<_>>>()?.concat();
    anyhow::ensure!(opened.len() == count, "a thread with bare sandboxes broke down");
    let total: Duration = opened.iter().map(|one| one.used).sum();
    used.push(total.as_secs_f64() * 1e3 / count as f64);
    Ok(count as f64 / took.as_secs_f64())
}

/// Each submitter submits a job when its last one has ended; answers how many ended a second.
pub(super) async fn submit_all(
    stage: &Stage,
    submitters: usize,
    each: usize,
    used: &mut Samples,
) -> Result<f64> {
    let count = (submitters * each) as f64;
    let server = stage.server()?;
    server.settle().await?;
    let (before, began) = (server.used()?, Instant::now());
    let mut work = JoinSet::new();
    for _ in 0..submitters {
        let mut client = stage.client()?;
        let follower = stage.follower()?;
        work.spawn(async move {
            for _ in 0..each {
                let job = submit(&mut client, TRIVIAL).await?;
                follow_to_end(follower(), job).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = work.join_next().await {
        done.context("a submitter broke down")??;
    }
    let took = began.elapsed();
    server.settle().await?;
    let total = server.used()?.saturating_sub(before);
    used.push(total.as_secs_f64() * 1e3 / count);
    Ok(count / took.as_secs_f64())
}
