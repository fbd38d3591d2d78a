//! Attempts whose supervisor ended without a word, or never began.

use super::RETRY;
use super::link::{Held, Link, LinkError};
use crate::spool::events::Writer;
use crate::spool::{Lock, Spool, SpoolError};
use crate::supervisor::title;
use ropewalk_model::link::{AttemptFact, Outcome, Report};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use std::sync::Arc;
use std::time::SystemTime;

fn ended(why: String) -> AttemptFact {
    AttemptFact::Ended { outcome: Outcome::Failure { cause: Cause::RunnerLost, message: why } }
}

/// Writes the end that the supervisor did not write. Whoever holds the lock may.
pub(super) fn lose(spool: &Spool, _lock: &Lock, why: &str) -> Result<(), SpoolError> {
    Writer::open(spool)?.append(ended(why.to_owned()), true)
}

/// Writes an end that was decided before the supervisor was killed, as the supervisor would have.
pub(super) fn end(spool: &Spool, _lock: &Lock, outcome: Outcome) -> Result<(), SpoolError> {
    if let Outcome::Failure { cause, message } = &outcome
        // A full disk must not keep the end away.
        && let Err(error) = spool.append_mark(format_args!("{}: {message}", title(*cause)))
    {
        tracing::warn!("{error}");
    }
    Writer::open(spool)?.append(AttemptFact::Ended { outcome }, true)
}

/// Why an attempt with a free lock and no end was lost.
pub(super) fn reason(spool: &Spool) -> String {
    if spool.head.is_of_another_boot() {
        return "the runner's machine was started anew".into();
    }
    let words = std::fs::read_to_string(spool.errors()).unwrap_or_default();
    match words.lines().last() {
        Some(last) => format!("the supervisor ended without a result: {last}"),
        None => "the supervisor was killed".into(),
    }
}

/// Reports the loss of an attempt that has no spool.
pub(super) async fn give_back<L: Link>(link: Arc<L>, held: Held, why: String) -> Held {
    tracing::error!(attempt = %held.attempt, "cannot start a build: {why}");
    let at = Time::from(SystemTime::now());
    let message = format!("the runner could not start the build: {why}");
    let report = Report { attempt: held.attempt, fence: held.fence, number: 1, at, fact: ended(message) };
    // Superseded: then nobody waits for it.
    while matches!(link.report(&report).await, Err(LinkError::Retry(_) | LinkError::Refused(_))) {
        tokio::time::sleep(RETRY).await;
    }
    held
}
