//! Finding the jobs of an expression, in two ways: one run over all of it, which is fast and ends with the first error
//! that Nix cannot catch; and one question for each attribute, which survives them all.

mod aggregate;
mod fast;
mod message;
mod record;
mod slow;
mod worker;

pub(crate) use record::{Record, name};

use super::Tools;
use super::cell::Spec;
use super::overseer::Overseer;
use super::quote;
use super::run::Call;
use crate::sandbox::weaken::{Guard, is_off};
use crate::supervisor::Stop;
use ropewalk_model::nix::EvaluationLimits;
use ropewalk_model::status::Cause;
use slow::Slow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where the walker lies in the cell.
const WALKER: &str = "/ropewalk/walk.nix";
/// Where the arguments lie there.
const ARGUMENTS: &str = "/ropewalk/arguments.nix";
/// Bytes that one build during an evaluation may print.
const BUILD_LOG: &str = "67108864";
/// The walker.
const WALK: &str = include_str!("walk.nix");

/// Bytes that all jobs together say about themselves.
const MAX_WORDS: usize = 256 << 20;

/// What is evaluated.
pub(crate) struct Subject<'a> {
    pub(crate) tools: &'a Tools,
    /// The cell, without the files that are added here.
    pub(crate) cell: Spec,
    /// A set of all inputs, as Nix text.
    pub(crate) arguments: String,
    /// Search path: name and path.
    pub(crate) search: Vec<(String, PathBuf)>,
    /// The search path's name of the expression.
    pub(crate) expression: String,
    pub(crate) import_from_derivation: bool,
    pub(crate) limits: &'a EvaluationLimits,
    /// When it must be over.
    pub(crate) until: Instant,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) jobs: Vec<Record>,
    /// Names and texts.
    pub(crate) errors: Vec<(String, String)>,
}

/// Finds all jobs.
pub(crate) fn walk(overseer: &mut dyn Overseer, subject: &mut Subject<'_>) -> Result<Walked, Stop> {
    subject.cell.files =
        vec![(WALKER.into(), WALK.into()), (ARGUMENTS.into(), subject.arguments.clone().into_bytes())];
    let fast = fast::walk(overseer, subject)?;
    let mut slow = Slow::new(subject);
    let mut walked = match fast {
        // That the expression itself threw is no error of a job.
        Some(fast) if !fast.failed.iter().any(Vec::is_empty) => {
            let mut walked = Walked { jobs: fast.jobs, errors: vec![] };
            slow.visit(overseer, fast.failed, &mut walked)?;
            walked
        }
        _ => {
            overseer.say(&"Something cannot be evaluated: asking for each attribute by itself")?;
            let mut walked = Walked::default();
            slow.visit_all(overseer, &mut walked)?;
            walked
        }
    };
    aggregate::gather(overseer, &mut slow, &mut walked)?;
    Ok(walked)
}

impl Subject<'_> {
    /// A call of a program of Nix's that evaluates.
    fn call(&self, program: &str, first: &[&str]) -> Call {
        let mut arguments: Vec<String> = first.iter().map(ToString::to_string).collect();
        let import = if self.import_from_derivation { "true" } else { "false" };
        let restrict = if is_off(Guard::RestrictedEvaluation) { "false" } else { "true" };
        let options = [("restrict-eval", restrict), ("allow-import-from-derivation", import)];
        for (option, value) in options {
            arguments.extend(["--option", option, value].map(String::from));
        }
        if self.import_from_derivation {
            // What is built here is watched by nobody but Nix and the limits of the cell.
            let (all, one) = (self.limits.time.to_string(), self.limits.attribute_time.to_string());
            for (option, value) in [
                ("timeout", all.as_str()),
                ("max-silent-time", &one),
                ("max-build-log-size", BUILD_LOG),
                ("keep-build-log", "false"),
                ("max-jobs", "1"),
                ("builders", ""),
            ] {
                arguments.extend(["--option", option, value].map(String::from));
            }
        }
        let own = [("ropewalk/walk", WALKER), ("ropewalk/arguments", ARGUMENTS)];
        let own = own.map(|(name, path)| (name.to_owned(), PathBuf::from(path)));
        for (name, path) in own.iter().chain(&self.search) {
            arguments.extend(["-I".to_owned(), format!("{name}={}", path.display())]);
        }
        Call { program: self.tools.program(program), arguments, environment: self.tools.environment() }
    }

    /// The value of the expression, as Nix text.
    fn root(&self) -> String {
        format!("import (builtins.findFile builtins.nixPath {})", quote::text(&self.expression))
    }

    /// What is left of the time.
    fn left(&self) -> Result<Duration, Stop> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_long(self.limits)) } else { Ok(left) }
    }

    fn too_many(&self, walked: &Walked) -> Result<(), Stop> {
        let most = self.limits.jobs;
        if walked.jobs.len() + walked.errors.len() <= most {
            return Ok(());
        }
        Err(Stop::new(Cause::StepFailed, format_args!("the expression has more than {most} jobs")))
    }
}

/// The jobs' descriptions are too long.
fn too_wordy() -> Stop {
    Stop::new(Cause::StepFailed, format_args!("the jobs say more than {MAX_WORDS} bytes about themselves"))
}

/// The evaluation is out of time.
pub(crate) fn too_long(limits: &EvaluationLimits) -> Stop {
    Stop::new(Cause::Timeout, format_args!("the evaluation took longer than {} s", limits.time))
}

/// Lines of an error that the log shows.
const SHOWN_LINES: usize = 12;

/// Errors that it shows; the result has all of them.
const SHOWN_ERRORS: usize = 200;

/// Tells the log of an error, `before` of which were there already.
fn say_error_after(overseer: &mut dyn Overseer, before: usize, name: &str, text: &str) -> Result<(), Stop> {
    match before {
        0..SHOWN_ERRORS => say_error(overseer, name, text),
        SHOWN_ERRORS => overseer.say(&"There are more errors than this log shows"),
        _ => Ok(()),
    }
}

/// Tells the log of an error.
pub(crate) fn say_error(overseer: &mut dyn Overseer, name: &str, text: &str) -> Result<(), Stop> {
    overseer.say(&format_args!("in job {}:", printable(name)))?;
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .take(SHOWN_LINES)
        .try_for_each(|line| overseer.say(&format_args!("  {}", printable(line))))
}

/// A line as it may be shown.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
