//! The end of a group.

use ropewalk_model::status::JobStatus;

/// Status of a group of jobs: none while one of them is open; success if all succeeded; else the status of its first
/// member that did not.
pub fn group_status(members: impl IntoIterator<Item = JobStatus>) -> Option<JobStatus> {
    let mut status = JobStatus::Success;
    for member in members {
        if !member.is_final() {
            return None;
        }
        if status == JobStatus::Success {
            status = member;
        }
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobStatus::{Cancelled, Failed, Queued, Success, Timeout};

    #[test]
    fn a_group_has_ended_when_nobody_is_open_and_succeeded_when_all_did() {
        assert_eq!(group_status([Success, Queued, Failed]), None);
        assert_eq!(group_status([Success, Success]), Some(Success));
        assert_eq!(group_status([Success, Timeout, Cancelled]), Some(Timeout));
    }
}
