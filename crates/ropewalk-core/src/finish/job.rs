//! The status of a job, derived from its root work.

use ropewalk_model::status::{Cause, JobStatus, WorkStatus};

/// What a job's status depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootWork {
    /// Where its root work is.
    pub status: WorkStatus,
    /// Why that work did not succeed, once it ended otherwise.
    pub cause: Option<Cause>,
    /// Whether another open job or unfinished work needs it.
    pub wanted_by_others: bool,
}

/// Status and cause of a job. `started`: it was submitted for execution or started since. `cancel`: somebody asked
/// that it end.
///
/// A cancelled job whose root work a runner holds for nobody else stays running until that runner has reported, for
/// only then is nothing of it left.
pub fn job_status(root: RootWork, started: bool, cancel: Option<Cause>) -> (JobStatus, Option<Cause>) {
    if let Some(cause) = cancel {
        return match root.status {
            WorkStatus::Leased if started && !root.wanted_by_others => (JobStatus::Running, None),
            _ => (cause.job_status(), Some(cause)),
        };
    }
    match root.status {
        WorkStatus::Failed | WorkStatus::Cancelled => {
            let cause = root.cause.unwrap_or(Cause::Infrastructure);
            (cause.job_status(), Some(cause))
        }
        _ if !started => (JobStatus::Pending, None),
        WorkStatus::Held | WorkStatus::Waiting | WorkStatus::Ready => (JobStatus::Queued, None),
        WorkStatus::Leased => (JobStatus::Running, None),
        WorkStatus::Succeeded => (JobStatus::Success, None),
    }
}

/// The changes that lead from one status to another, each allowed by the state machine: none if nothing changes, one
/// or two else. `None`: there is no way.
pub fn path(from: JobStatus, to: JobStatus) -> Option<Vec<JobStatus>> {
    let over = JobStatus::Queued;
    if from == to {
        Some(vec![])
    } else if from.may_become(to) {
        Some(vec![to])
    } else if from.may_become(over) && over.may_become(to) {
        Some(vec![over, to])
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    fn root(status: WorkStatus) -> RootWork {
        let cause = matches!(status, WorkStatus::Failed).then_some(Cause::StepFailed);
        RootWork { status, cause, wanted_by_others: false }
    }

    #[test]
    fn a_job_that_was_not_started_stays_pending_whatever_runs() {
        for status in WorkStatus::iter().filter(|s| !matches!(s, WorkStatus::Failed | WorkStatus::Cancelled))
        {
            assert_eq!(job_status(root(status), false, None), (JobStatus::Pending, None), "{status}");
        }
        assert_eq!(job_status(root(WorkStatus::Failed), false, None).0, JobStatus::Failed);
    }

    #[test]
    fn a_running_job_is_cancelled_when_its_runner_has_reported() {
        let asked = Some(Cause::Cancelled);
        assert_eq!(job_status(root(WorkStatus::Leased), true, asked).0, JobStatus::Running);
        let shared = RootWork { wanted_by_others: true, ..root(WorkStatus::Leased) };
        assert_eq!(job_status(shared, true, asked), (JobStatus::Cancelled, asked));
        for status in WorkStatus::iter().filter(|s| *s != WorkStatus::Leased) {
            assert_eq!(job_status(root(status), true, asked), (JobStatus::Cancelled, asked), "{status}");
        }
    }

    #[test]
    fn every_status_that_a_work_leads_to_can_be_reached_from_every_open_one() {
        for from in JobStatus::iter().filter(|s| !s.is_final()) {
            for work in WorkStatus::iter() {
                for cancel in [None, Some(Cause::Cancelled), Some(Cause::Superseded)] {
                    let (to, _) = job_status(root(work), true, cancel);
                    let steps = path(from, to).unwrap_or_else(|| panic!("{from} to {to}"));
                    assert!(steps.len() <= 2);
                    let mut at = from;
                    for next in steps {
                        assert!(at.may_become(next), "{at} to {next}");
                        at = next;
                    }
                    assert_eq!(at, to);
                }
            }
        }
        assert!(path(JobStatus::Success, JobStatus::Queued).is_none());
    }
}
