//! From the end of a job to a build's row.

use super::outcome::{BuildStatus, Ending, build_status, is_permanent};
use crate::port::{EndedBuild, Failure};
use ropewalk_model::nix::Realised;
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use std::time::Duration;

/// How a build ended, as its row says it.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// Hydra's number.
    pub status: BuildStatus,
    /// Nothing was run for it.
    pub is_cached: bool,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub stopped: Time,
    /// What lies in its outputs.
    pub realised: Option<Realised>,
    /// Why it did not succeed, for people.
    pub message: Option<String>,
}

impl Projection {
    /// Of a build whose outputs were there before it was queued.
    pub fn of_realised(realised: Realised, now: Time) -> Projection {
        let ending =
            Ending { status: JobStatus::Success, cause: None, culprit: None, realised: Some(&realised) };
        Projection {
            status: build_status(ending),
            is_cached: true,
            started: now,
            stopped: now,
            realised: Some(realised),
            message: None,
        }
    }

    /// Of a build whose job ended.
    pub fn of_ended(end: &EndedBuild) -> Projection {
        let culprit = end.culprit.as_ref();
        let ending = Ending {
            status: end.status,
            cause: end.cause,
            culprit: culprit.map(|culprit| culprit.cause),
            realised: end.realised.as_ref(),
        };
        let is_old = end.status == JobStatus::Success || end.cause == Some(Cause::CachedFailure);
        let needed = culprit.filter(|_| end.cause == Some(Cause::DependencyFailed)).map(|culprit| {
            let said = culprit.message.as_deref().unwrap_or("it left no message");
            format!("{} failed: {said}", culprit.drv_path)
        });
        let own = || end.message.clone().or_else(|| culprit.and_then(|culprit| culprit.message.clone()));
        // What a restart found collected was built again.
        let was_built = end.realised.as_ref().is_some_and(|realised| realised.is_built);
        Projection {
            status: build_status(ending),
            is_cached: is_old && !was_built && (!end.was_run || end.had_succeeded),
            started: end.started.unwrap_or(end.ended),
            stopped: end.ended,
            realised: end.realised.clone(),
            message: needed.or_else(own).filter(|_| end.status != JobStatus::Success),
        }
    }
}

/// The failure to be remembered for so long, if it would come again.
pub(super) fn failure(end: &EndedBuild, memory: Duration) -> Option<Failure> {
    let culprit = end.culprit.as_ref()?;
    is_permanent(culprit.cause, culprit.is_fixed)
        .then(|| Failure { drv_path: culprit.drv_path.clone(), until: end.ended.plus(memory) })
}
