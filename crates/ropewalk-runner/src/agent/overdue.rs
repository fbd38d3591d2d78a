//! A supervisor that does not end its build when it has to: one that was stopped by a signal, or hangs.

use super::directive::Directive;
use crate::spool::{At, Spool, SpoolError, read_json, write_whole};
use crate::supervisor::wish;
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::Outcome;
use ropewalk_model::plan::Backend;
use ropewalk_model::status::Cause;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;
use tokio::time::Instant;

/// How long it may take when it has said that it is concluding: it waits for the disk to take the last artifact and log.
const CONCLUDING: Duration = Duration::from_secs(300);
/// How often a supervisor that should be dead is killed again.
const AGAIN: Duration = Duration::from_secs(5);

/// Since when the supervisor of an attempt should have ended it.
#[derive(Debug)]
pub(super) struct Overdue {
    /// How long it may take after that.
    grace: Duration,
    /// When it was told to.
    ordered: Option<Instant>,
    /// When the build's time is over, as the supervisor noted it.
    deadline: Option<Instant>,
    /// When it was killed last.
    killed: Option<Instant>,
    /// How the attempt ends when it was killed.
    decided: Option<Outcome>,
}

impl Overdue {
    pub(super) fn new(grace: Duration) -> Overdue {
        Overdue { grace, ordered: None, deadline: None, killed: None, decided: None }
    }

    /// When there is something to do; none while it may take its time.
    pub(super) fn due(&mut self, spool: &Spool, directive: Directive) -> Option<Instant> {
        if directive != Directive::Go {
            self.ordered.get_or_insert_with(Instant::now);
        }
        if self.deadline.is_none() {
            let remaining = spool.supervisor().map(|supervisor| supervisor.remaining());
            self.deadline = remaining.and_then(|remaining| Instant::now().checked_add(remaining));
        }
        if let Some(killed) = self.killed {
            return killed.checked_add(AGAIN);
        }
        let since = [self.ordered, self.deadline].into_iter().flatten().min()?;
        since.checked_add(self.grace(spool))
    }

    fn grace(&self, spool: &Spool) -> Duration {
        match spool.supervisor() {
            Some(supervisor) if supervisor.is_concluding => self.grace.max(CONCLUDING),
            _ => self.grace,
        }
    }

    /// Decides how the attempt ends, writes that down, and kills the supervisor; its sandbox dies with it.
    pub(super) fn end(
        &mut self,
        spool: &Spool,
        directive: Directive,
        child: Option<&mut Child>,
    ) -> Result<(), SpoolError> {
        let is_first = self.killed.replace(Instant::now()).is_none();
        if self.decided.is_none() {
            let message = message(directive, self.grace(spool));
            tracing::warn!(attempt = %spool.head.attempt, "{message}");
            let outcome = Outcome::Failure { cause: cause(directive), message };
            // Before it is killed: whoever finds the lock free must know why, also another agent. On a full disk
            // only this one does.
            let written = write(spool, &outcome);
            self.decided = Some(outcome);
            written.unwrap_or_else(|error| tracing::error!("{error}"));
        }
        if let Some(child) = child {
            child.kill().at("kill the supervisor of", spool.path())?;
        } else if let Some(supervisor) = spool.supervisor() {
            supervisor.process.kill().at("kill the supervisor of", spool.path())?;
        }
        // It goes with its supervisor by itself, unless something is wrong with it too.
        match spool.init() {
            // It ends its builders when its supervisor is gone; killed itself, it would leave them behind.
            Some(_) if is_first && is_of_nix(spool) => Ok(()),
            Some(init) => init.kill().at("kill the sandbox of", spool.path()),
            None => Ok(()),
        }
    }

    /// The end that this agent, or one before it, decided on before it killed the supervisor.
    pub(super) fn decided(&self, spool: &Spool) -> Option<Outcome> {
        self.decided.clone().or_else(|| read_json(&path(spool)).ok())
    }
}

fn is_of_nix(spool: &Spool) -> bool {
    let plan = spool.plan().ok().and_then(|sealed| sealed.open().ok());
    plan.is_some_and(|plan| plan.backend == Backend::Nix)
}

fn message(directive: Directive, grace: Duration) -> String {
    let why = match cause(directive) {
        Cause::Timeout => "the build took longer than its plan allows (limits.build-time)",
        cause => wish(cause),
    };
    let grace = grace.as_secs();
    format!("{why}, but its supervisor did not end it within {grace} s (is it stopped?) and was killed")
}

/// Without a directive only the deadline can have passed.
fn cause(directive: Directive) -> Cause {
    match directive {
        Directive::Go => Cause::Timeout,
        Directive::End(cause) => cause,
        Directive::Drop => Cause::Superseded,
    }
}

fn path(spool: &Spool) -> PathBuf {
    // Apart from what the agent watches.
    spool.path().join("agent").join("end.json")
}

fn write(spool: &Spool, outcome: &Outcome) -> Result<(), SpoolError> {
    let path = path(spool);
    let text = serde_json::to_vec(outcome)
        .map_err(|e| SpoolError::Malformed { path: path.clone(), why: e.to_string() })?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).at("create", folder)?;
    }
    visit(Point::AgentBeforeWrite);
    write_whole(&path, &text)?;
    visit(Point::AgentAfterWrite);
    Ok(())
}
