//! How often the server and its supervisors wait for the disk, counted by `strace`.

use super::Bench;
use super::rate::submit_all;
use crate::report::Figure;
use crate::samples::Samples;
use crate::server::{Parent, SYNCS};
use crate::stages::Stage;
use anyhow::{Context, Result};
use std::path::Path;

/// Jobs of all submitters together.
const JOBS: usize = 48;
/// Submitters, and how many calls a job may cost with them.
const SUBMITTERS: [(usize, &str, f64); 2] = [
    (1, "waits for the disk of a job, 1 submitter", 2.0),
    (8, "waits for the disk of a job, 8 submitters", 0.4),
];

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<()> {
    bench.report.title("Calls that wait for the disk")?;
    let jobs = bench.arguments.scaled(JOBS).next_multiple_of(8);
    for stage in &mut bench.stages {
        match count(stage, jobs).await {
            Ok(counted) => {
                for ((_, name, limit), calls) in SUBMITTERS.iter().zip(counted) {
                    bench.report.add(Figure::new(*name, calls, "calls").of(stage).at_most(*limit))?;
                }
            }
            Err(error) => bench.report.not_run("calls that wait for the disk", &format!("{error:#}"))?,
        }
        stage.start_again(&Parent::Reaper)?;
    }
    Ok(())
}

/// Calls of one job, for each number of submitters.
async fn count(stage: &mut Stage, jobs: usize) -> Result<Vec<f64>> {
    let file = stage.folder().join("calls");
    stage.start_again(&Parent::Tracer(file.clone()))?;
    let mut counted = vec![];
    for (submitters, _, _) in SUBMITTERS {
        let before = calls(&file)?;
        submit_all(stage, submitters, jobs / submitters, &mut Samples::default()).await?;
        counted.push((calls(&file)? - before) as f64 / jobs as f64);
    }
    Ok(counted)
}

/// A call that was interrupted by another process has two lines, of which one names its arguments.
fn calls(file: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(file).context("strace wrote nothing")?;
    let is_call = |line: &str| SYNCS.iter().any(|name| line.contains(&format!(" {name}(")));
    Ok(text.lines().filter(|line| is_call(line)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_two_lines_is_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "7 fdatasync(5) = 0\n8 fsync(3 <unfinished ...>\n7 fdatasync(5) = 0\n8 <... fsync resumed>) = 0\n";
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(calls(file.path()).unwrap(), 3);
    }
}
