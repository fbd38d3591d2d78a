//! The measures, one file each. Each takes floors and servers in turns, so that a machine that drifts drifts for all.

mod latency;
mod live;
mod log;
mod pages;
mod rate;
mod requests;
mod rest;
mod syncs;

use crate::arguments::Arguments;
use crate::history;
use crate::jobs::{TRIVIAL, follow_to_end, submit};
use crate::report::Report;
use crate::stages::Stage;
use anyhow::{Context, Result};
use bytes::Bytes;
use clap::ValueEnum;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// From submission to its acceptance, the first command and the end.
    Latency,
    /// Jobs per second, and processor time of a job.
    Rate,
    /// Calls that wait for the disk.
    Syncs,
    /// A large log.
    Log,
    /// A live log.
    Live,
    /// Questions per second.
    Requests,
    /// Times of pages and lists.
    Pages,
    /// Memory, start and size of a server that does nothing.
    Rest,
}

/// What a measure works with.
pub(crate) struct Bench<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) stages: Vec<Stage>,
    pub(crate) report: Report,
}

/// Everything that was asked for.
pub(crate) async fn all(arguments: &Arguments) -> Result<()> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut report = Report::begin(folder, arguments.json.clone())?;
    let stages = history::stages(arguments, &mut report).await?;
    let mut bench = Bench { arguments, stages, report };
    for measure in Measure::value_variants() {
        if arguments.wants(*measure) {
            let what = || format!("{measure:?} could not be measured");
            one(*measure, &mut bench).await.with_context(what)?;
        }
    }
    bench.report.compare_histories()
}

async fn one(measure: Measure, bench: &mut Bench<'_>) -> Result<()> {
    match measure {
        Measure::Latency => latency::measure(bench).await,
        Measure::Rate => rate::measure(bench).await,
        Measure::Syncs => syncs::measure(bench).await,
        Measure::Log => log::measure(bench).await,
        Measure::Live => live::measure(bench).await,
        Measure::Requests => requests::measure(bench).await,
        Measure::Pages => pages::measure(bench).await,
        Measure::Rest => rest::measure(bench).await,
    }
}

/// A job of the administrator's that everybody may see, and that has ended.
async fn finished_job(stage: &Stage) -> Result<i64> {
    let job = submit(&mut stage.client()?, TRIVIAL).await?;
    follow_to_end(stage.client()?, job).await?;
    Ok(job)
}

/// The body of a GraphQL request.
fn query(document: &str) -> Bytes {
    Bytes::from(serde_json::json!({ "query": document }).to_string())
}
