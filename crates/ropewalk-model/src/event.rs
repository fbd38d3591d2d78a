//! Events: facts that happened to a job, numbered per job from 1 without gaps.

use crate::status::{Cause, JobStatus, StepStatus};
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// One fact, written in the transaction that changed the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, per job.
    pub number: i64,
    /// When it was recorded.
    pub at: Time,
    /// What happened.
    pub fact: Fact,
}

/// What can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Fact {
    /// It was submitted.
    Created,
    /// Its status changed.
    Status {
        /// Round it belongs to.
        round: i32,
        /// The new status.
        status: JobStatus,
        /// Why, once it ended without success.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
    },
    /// A step's status changed.
    Step {
        /// Round it belongs to.
        round: i32,
        /// Position of the step, from 0.
        position: i32,
        /// The new status.
        status: StepStatus,
    },
    /// Its attempt was lost and it waits again.
    Lost {
        /// Round it belongs to.
        round: i32,
        /// The lost attempt's number within the work, from 1.
        attempt: i32,
    },
    /// A file was published.
    Artifact {
        /// Round it belongs to.
        round: i32,
        /// Path as the manifest names it.
        path: String,
    },
    /// Its tags, note or visibility changed.
    Updated,
}
