//! The supervisor: one process an attempt, with one thread and a session of its own. It outlives the
//! agent that started it; the spool is all that they share.

mod artifacts;
mod attempt;
mod fetch;
mod launch;
mod log;
mod nix;
mod output;
pub mod redact;
mod setup;
mod signals;
mod steps;
mod stop;
mod watch;

pub use launch::launch;

pub(crate) use attempt::title;
pub(crate) use nix::end_all as end_account;
pub(crate) use stop::Stop;
pub(crate) use watch::wish;

use crate::spool::events::Writer;
use crate::spool::{Spool, SpoolError};
use attempt::Attempt;
use output::Logs;
use redact::Patterns;
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::{AttemptFact, RunValues};
use ropewalk_model::plan::PlanError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signals::Signals;
use std::io::{BufRead, Write};
use std::path::Path;
use watch::Watch;

/// Why an attempt could not even begin. Nothing was run then, and the spool says nothing: whoever
/// takes the lock next reports a loss.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Standard input ended early, or is no such thing.
    #[error("no run-time values on standard input: {0}")]
    Values(String),
    /// A system call.
    #[error("cannot {0}: {1}")]
    System(&'static str, std::io::Error),
}

/// Carries out the attempt in the spool at `path`, with the [`RunValues`] that the first line of
/// standard input holds as JSON. The process must have one thread.
///
/// # Errors
/// When the attempt could not begin. Once it has begun, its end is a fact in the spool.
pub fn supervise(path: &Path) -> Result<(), SuperviseError> {
    // Fails only for the leader of a group, which is in nobody's way.
    let _ = rustix::process::setsid();
    raise_open_files();
    let signals = Signals::take().map_err(|e| SuperviseError::System("take signals", e))?;
    let spool = Spool::open(path)?;
    // Before the values are read: an agent that starts anew must not take this attempt for dead.
    let lock = spool.lock()?;
    let plan = spool.plan()?.open()?;
    let time = nix::time(&plan);
    // On a full disk there is an end to tell all the same, and room for it is kept.
    if let Err(error) = spool.note_supervisor(time) {
        let _ = writeln!(std::io::stderr(), "{error}");
    }
    let values = read_values()?;
    let mut events = Writer::open(&spool)?;
    events.append(AttemptFact::Started, false)?;
    let watch = Watch::new(spool.control()?, signals, spool.head.settings.tethered, time);
    let logs = Logs::new(&spool, patterns(&values)?, plan.limits.clone());
    let outcome = Attempt {
        spool: &spool,
        lock: &lock,
        plan,
        values,
        events: &mut events,
        logs,
        watch,
        running: None,
        secrets_prepared: false,
    }
    .carry_out();
    visit(Point::SupervisorBeforeEnd);
    events.append(AttemptFact::Ended { outcome }, true)?;
    visit(Point::SupervisorAfterEnd);
    // Whoever finds the layer later removes it; doing it here is faster.
    let _ = spool.remove_layer();
    drop(lock);
    Ok(())
}

/// Each script whose output is still open takes a pipe. What is inside the sandbox has limits of its own.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Refused nowhere; and what there is may do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn read_values() -> Result<RunValues, SuperviseError> {
    let mut line = String::new();
    let values = |why: &dyn std::fmt::Display| SuperviseError::Values(why.to_string());
    std::io::stdin().lock().read_line(&mut line).map_err(|e| values(&e))?;
    if !line.ends_with('\n') {
        return Err(values(&"the line has no end"));
    }
    // Not serde's message: it would quote what it read.
    serde_json::from_str(&line).map_err(|e| values(&format_args!("error in column {}", e.column())))
}

fn patterns(values: &RunValues) -> Result<Patterns, SuperviseError> {
    let mut secrets = vec![];
    for secret in &values.secrets {
        secrets.push(setup::decode(secret).map_err(|stop| SuperviseError::Values(stop.message))?);
    }
    secrets.extend(values.oauth2_token.as_ref().map(|token| token.reveal().as_bytes().to_vec()));
    Patterns::new(secrets.iter().map(Vec::as_slice))
        .map_err(|_| SuperviseError::Values("too many secrets to mask".into()))
}
