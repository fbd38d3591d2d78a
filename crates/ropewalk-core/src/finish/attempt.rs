//! What becomes of a work when an attempt at it ends.

use crate::port::Loss;
use ropewalk_model::link::Outcome;
use ropewalk_model::status::{Cause, JobStatus, WorkStatus};

/// How an attempt ended, as the store learned of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd<'a> {
    /// Its runner said so.
    Reported(&'a Outcome),
    /// Nobody said anything in time.
    Lost,
}

/// What was tried before, and who still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries {
    /// Attempts lost before this one.
    pub lost: u32,
    /// What the submission said about losses.
    pub loss: Loss,
    /// Whether an open job still needs the work.
    pub wanted: bool,
    /// Why the runner was told to end it; none if it was not told.
    pub told: Option<Cause>,
}

/// What becomes of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It waits for a runner again.
    Again {
        /// Whether the attempt counts as lost.
        lost: bool,
    },
    /// It has ended; a cause for every end but success.
    Ended(WorkStatus, Option<Cause>),
}

/// Decides between another attempt and the end.
pub fn after_attempt(end: AttemptEnd<'_>, tries: Tries) -> Next {
    match end {
        AttemptEnd::Reported(Outcome::Success) => Next::Ended(WorkStatus::Succeeded, None),
        AttemptEnd::Reported(Outcome::Failure { cause, .. }) if cause.is_loss() => lost(tries),
        AttemptEnd::Reported(Outcome::Failure { cause, .. })
            if cause.job_status() == JobStatus::Cancelled =>
        {
            cancelled(*cause, tries)
        }
        AttemptEnd::Reported(Outcome::Failure { cause, .. }) => Next::Ended(WorkStatus::Failed, Some(*cause)),
        AttemptEnd::Lost => lost(tries),
    }
}

fn lost(tries: Tries) -> Next {
    if !tries.wanted {
        Next::Ended(WorkStatus::Cancelled, Some(tries.told.unwrap_or(Cause::Cancelled)))
    } else if tries.lost.saturating_add(1) < tries.loss.attempts {
        Next::Again { lost: true }
    } else {
        Next::Ended(WorkStatus::Failed, Some(tries.loss.cause))
    }
}

/// A runner that was told to end a work may report that after another job has asked for it: the new job did not
/// cancel anything and gets an attempt of its own. Nobody is told twice without such a change of mind, so this ends.
fn cancelled(cause: Cause, tries: Tries) -> Next {
    match (tries.wanted, tries.told) {
        (true, Some(_)) => Next::Again { lost: false },
        (true, None) => Next::Ended(WorkStatus::Failed, Some(cause)),
        (false, told) => Next::Ended(WorkStatus::Cancelled, Some(told.unwrap_or(cause))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    const TRIES: Tries =
        Tries { lost: 0, loss: Loss { attempts: 3, cause: Cause::RunnerLost }, wanted: true, told: None };

    fn failure(cause: Cause) -> Outcome {
        Outcome::Failure { cause, message: String::new() }
    }

    #[test]
    fn a_lost_attempt_is_tried_again_until_the_tries_are_used_up() {
        for lost in 0..2 {
            assert_eq!(after_attempt(AttemptEnd::Lost, Tries { lost, ..TRIES }), Next::Again { lost: true });
        }
        let end = Next::Ended(WorkStatus::Failed, Some(Cause::RunnerLost));
        assert_eq!(after_attempt(AttemptEnd::Lost, Tries { lost: 2, ..TRIES }), end);
        let reported = failure(Cause::RunnerLost);
        assert_eq!(after_attempt(AttemptEnd::Reported(&reported), Tries { lost: 2, ..TRIES }), end);
    }

    #[test]
    fn an_agent_that_never_renews_is_not_asked_twice() {
        let loss = Loss { attempts: 1, cause: Cause::NoReport };
        assert_eq!(
            after_attempt(AttemptEnd::Lost, Tries { loss, ..TRIES }),
            Next::Ended(WorkStatus::Failed, Some(Cause::NoReport))
        );
    }

    #[test]
    fn a_lost_attempt_that_nobody_needs_is_not_tried_again() {
        let tries = Tries { wanted: false, told: Some(Cause::Superseded), ..TRIES };
        assert_eq!(
            after_attempt(AttemptEnd::Lost, tries),
            Next::Ended(WorkStatus::Cancelled, Some(Cause::Superseded))
        );
    }

    #[test]
    fn a_job_that_came_after_the_cancel_gets_its_own_attempt() {
        let cancelled = failure(Cause::Cancelled);
        let end = AttemptEnd::Reported(&cancelled);
        let told = Some(Cause::Cancelled);
        assert_eq!(after_attempt(end, Tries { told, ..TRIES }), Next::Again { lost: false });
        assert_eq!(after_attempt(end, TRIES), Next::Ended(WorkStatus::Failed, told));
        assert_eq!(
            after_attempt(end, Tries { wanted: false, told, ..TRIES }),
            Next::Ended(WorkStatus::Cancelled, told)
        );
    }

    #[test]
    fn no_end_is_without_a_cause_but_success() {
        for cause in Cause::iter() {
            for wanted in [true, false] {
                let outcome = failure(cause);
                if let Next::Ended(status, why) =
                    after_attempt(AttemptEnd::Reported(&outcome), Tries { wanted, ..TRIES })
                {
                    assert!(status != WorkStatus::Succeeded && why.is_some(), "{cause}");
                }
            }
        }
    }
}
