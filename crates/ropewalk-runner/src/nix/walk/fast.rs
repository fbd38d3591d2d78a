//! All attributes in one run.

use super::record::{Record, Visited};
use super::{MAX_WORDS, Subject, too_wordy};
use crate::nix::overseer::Overseer;
use crate::nix::run::{Allowance, RunError, run};
use crate::supervisor::Stop;
use std::time::Duration;

/// What a whole run has found.
#[derive(Debug, Default)]
pub(super) struct Fast {
    pub(super) jobs: Vec<Record>,
    /// Paths of attributes that threw.
    pub(super) failed: Vec<Vec<String>>,
}

/// None if the run did not come to its end: then each attribute has to be asked for by itself.
pub(super) fn walk(overseer: &mut dyn Overseer, subject: &Subject<'_>) -> Result<Option<Fast>, Stop> {
    let mut call =
        subject.call("nix-instantiate", &["--eval", "--strict", "--json", "--read-write-mode", "--expr"]);
    let expression = format!(
        "let w = import <ropewalk/walk>; in w.visit (import <ropewalk/arguments>) [] ({})",
        subject.root()
    );
    call.arguments.push(expression);
    // An attribute without end must not take the time that the others need.
    let time = subject.left()?.min(Duration::from_secs(subject.limits.attribute_time));
    let ran = match run(overseer, &subject.cell, call, Allowance { time, output: MAX_WORDS }) {
        Ok(ran) if ran.code == 0 => ran,
        Ok(_) | Err(RunError::TimedOut) => return Ok(None),
        Err(RunError::TooMuch) => return Err(too_wordy()),
        Err(RunError::Stop(stop)) => return Err(stop),
    };
    let Ok(visited) = serde_json::from_slice::<Vec<Visited>>(&ran.output) else { return Ok(None) };
    let mut fast = Fast::default();
    for visited in visited {
        match visited {
            Visited::Job(record) => fast.jobs.push(*record),
            Visited::Failed { path, .. } => fast.failed.push(path),
        }
    }
    Ok(Some(fast))
}
