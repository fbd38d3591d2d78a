//! Which triggers fire.

use crate::port::TriggerCondition;
use ropewalk_model::status::JobStatus;

/// Whether a trigger fires at this end; never before the end.
pub fn fires(condition: TriggerCondition, status: JobStatus) -> bool {
    status.is_final()
        && match condition {
            TriggerCondition::Always => true,
            TriggerCondition::Success => status == JobStatus::Success,
            TriggerCondition::Failure => status != JobStatus::Success,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn success_and_failure_share_the_ends_between_them() {
        for status in JobStatus::iter() {
            let success = fires(TriggerCondition::Success, status);
            let failure = fires(TriggerCondition::Failure, status);
            assert!(!(success && failure), "{status}");
            assert_eq!(success || failure, fires(TriggerCondition::Always, status), "{status}");
            assert_eq!(status.is_final(), fires(TriggerCondition::Always, status), "{status}");
        }
        assert!(fires(TriggerCondition::Failure, JobStatus::Cancelled));
        assert!(fires(TriggerCondition::Failure, JobStatus::Timeout));
    }
}
