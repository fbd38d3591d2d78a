//! A server that has nothing to do: its memory, its start, its size.

use super::Bench;
use crate::floors::spawn_true;
use crate::processor::memory;
use crate::report::Figure;
use crate::samples::Samples;
use crate::server::{Parent, cold_start};
use anyhow::{Context, Result};
use std::time::Duration;

const STARTS: usize = 10;
/// Until the memory of a server that nobody asks anything is looked at.
const IDLE: Duration = Duration::from_secs(5);

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("At rest")?;
    let program = &bench.arguments.program;
    let size = program.metadata().with_context(|| format!("there is no {}", program.display()))?.len();
    bench.report.add(Figure::new("the program's file", mebibytes(size), "MiB"))?;
    let mut spawns = Samples::default();
    let mut starts: Vec<Samples> = bench.stages.iter().map(|_| Samples::default()).collect();
    for stage in &mut bench.stages {
        stage.stop()?;
    }
    for _ in 0..bench.arguments.scaled(STARTS) {
        spawns.push_time(spawn_true()?);
        for (stage, starts) in bench.stages.iter().zip(&mut starts) {
            starts.push_time(cold_start(stage.program(), stage.folder()).await?);
        }
    }
    for (stage, starts) in bench.stages.iter_mut().zip(&starts) {
        let figure = Figure::new("from its start to /readyz", starts.median(), "ms").of(stage);
        bench.report.add(figure.beside("spawn and wait for /bin/true", spawns.median()).at_most(100.0))?;
        stage.start_again(&Parent::Reaper)?;
        tokio::time::sleep(IDLE).await;
        let memory = mebibytes(memory(stage.server()?.pid(), "VmRSS")?);
        bench.report.add(Figure::new("idle memory", memory, "MiB").of(stage).at_most(25.0))?;
    }
    Ok(())
}
