//! What a work becomes when something around it changes.

use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;

/// Where a released work is: held until its time, else waiting for what it needs, else ready.
pub fn released(now: Time, not_before: Option<Time>, unmet: i64) -> WorkStatus {
    match not_before {
        Some(time) if time > now => WorkStatus::Held,
        _ if unmet > 0 => WorkStatus::Waiting,
        _ => WorkStatus::Ready,
    }
}

/// Why a work ends when one that it needs has ended like this; none: it goes on.
pub fn dependent_cause(needed: WorkStatus) -> Option<Cause> {
    matches!(needed, WorkStatus::Failed | WorkStatus::Cancelled).then_some(Cause::DependencyFailed)
}

/// What happens to an unfinished work that no open job needs any more.
///
/// `Some`: it becomes this at once. `None`: a runner holds it and is told with its next renewal.
pub fn interest_lost(status: WorkStatus) -> Option<WorkStatus> {
    status
        .may_become(WorkStatus::Cancelled)
        .then_some(WorkStatus::Cancelled)
        .filter(|_| status != WorkStatus::Leased)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn a_released_work_waits_for_its_time_and_then_for_its_needs() {
        let now = Time(10);
        assert_eq!(released(now, Some(Time(11)), 0), WorkStatus::Held);
        assert_eq!(released(now, Some(Time(10)), 2), WorkStatus::Waiting);
        assert_eq!(released(now, None, 0), WorkStatus::Ready);
    }

    #[test]
    fn only_what_no_runner_holds_is_cancelled_at_once() {
        for status in WorkStatus::iter() {
            let at_once = !status.is_final() && status != WorkStatus::Leased;
            assert_eq!(interest_lost(status).is_some(), at_once, "{status}");
        }
    }

    #[test]
    fn success_alone_lets_dependents_go_on() {
        for status in WorkStatus::iter().filter(|s| s.is_final()) {
            assert_eq!(dependent_cause(status).is_none(), status == WorkStatus::Succeeded, "{status}");
        }
    }
}
