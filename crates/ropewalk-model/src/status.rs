//! The state machines of jobs, steps and works, and the closed list of causes.
//!
//! Every state change in the product goes through `may_become`.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// Where a job is in its current round. Words of builds.sr.ht.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum JobStatus {
    /// Submitted, not to be run yet.
    Pending,
    /// Waits for a runner or for what it needs.
    Queued,
    /// A runner works on it.
    Running,
    /// All that it asked for was done.
    Success,
    /// It ended otherwise; the cause says how.
    Failed,
    /// A time limit ended it.
    Timeout,
    /// Somebody ended it.
    Cancelled,
}

impl JobStatus {
    /// No further change within this round.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Timeout | Self::Cancelled)
    }

    /// The state machine within one round. A job goes back to queued when its attempt was lost.
    pub fn may_become(self, next: JobStatus) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Queued | Self::Cancelled | Self::Failed),
            Self::Queued => next == Self::Running || next.is_final(),
            Self::Running => next == Self::Queued || next.is_final(),
            _ => false,
        }
    }
}

/// Where a step is. builds.sr.ht calls a step a task.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum StepStatus {
    /// Not started.
    Pending,
    /// Its script runs.
    Running,
    /// It exited with 0.
    Success,
    /// It exited otherwise, or was ended while it ran.
    Failed,
    /// Not needed: an earlier step completed the build.
    Skipped,
}

impl StepStatus {
    /// The state machine of one step run.
    pub fn may_become(self, next: StepStatus) -> bool {
        match self {
            Self::Pending => matches!(next, Self::Running | Self::Skipped),
            Self::Running => matches!(next, Self::Success | Self::Failed),
            _ => false,
        }
    }
}

/// Where a work is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum WorkStatus {
    /// Not released: its job is pending or its start lies ahead.
    Held,
    /// Needs works that have not succeeded yet.
    Waiting,
    /// May be leased.
    Ready,
    /// A runner holds it.
    Leased,
    /// Done; what needs it may go on.
    Succeeded,
    /// Ended otherwise; what needs it ends too.
    Failed,
    /// No open job needs it any more.
    Cancelled,
}

impl WorkStatus {
    /// No further change.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The state machine of a work. Ready again after a lost lease.
    pub fn may_become(self, next: WorkStatus) -> bool {
        match self {
            Self::Held => matches!(next, Self::Waiting | Self::Ready | Self::Failed | Self::Cancelled),
            Self::Waiting => matches!(next, Self::Ready | Self::Failed | Self::Cancelled),
            Self::Ready => matches!(next, Self::Leased | Self::Failed | Self::Cancelled),
            Self::Leased => next == Self::Ready || next.is_final(),
            _ => false,
        }
    }
}

/// Why a finished attempt, work or job did not succeed. The list is closed: each door maps every member.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Cause {
    /// A step exited with something else than 0.
    StepFailed,
    /// Packages, repositories or accounts could not be set up.
    SetupFailed,
    /// A source could not be fetched.
    SourceFailed,
    /// The runner has no image of that name.
    ImageMissing,
    /// The image could not be fetched, unpacked or opened.
    ImageFailed,
    /// A file that the manifest names as an artifact is not there or is no plain file.
    ArtifactMissing,
    /// Too many artifacts, or one too large.
    ArtifactLimit,
    /// The build took longer than it may.
    Timeout,
    /// Nothing was printed for too long.
    Silence,
    /// More was printed than may be kept.
    LogLimit,
    /// More was written to disk than allowed.
    DiskLimit,
    /// More memory was used than allowed.
    MemoryLimit,
    /// A person or a client ended it.
    Cancelled,
    /// A newer one took its place.
    Superseded,
    /// The runner vanished more often than attempts are allowed.
    RunnerLost,
    /// An agent took it and never reported.
    NoReport,
    /// Something that it needs failed.
    DependencyFailed,
    /// The same thing failed before and has not changed.
    CachedFailure,
    /// No runner could ever serve its system.
    UnsupportedSystem,
    /// A declared output was not made.
    OutputMissing,
    /// A fixed output has another hash.
    HashMismatch,
    /// Two builds of the same thing differ.
    NotDeterministic,
    /// The farm itself failed, not the build.
    Infrastructure,
}

impl Cause {
    /// The job status that a round which ended for this cause has.
    pub fn job_status(self) -> JobStatus {
        match self {
            Self::Timeout | Self::Silence | Self::NoReport => JobStatus::Timeout,
            Self::Cancelled | Self::Superseded => JobStatus::Cancelled,
            _ => JobStatus::Failed,
        }
    }

    /// Whether another attempt could end otherwise without anybody changing anything.
    pub fn is_loss(self) -> bool {
        matches!(self, Self::RunnerLost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn final_states_never_change() {
        for from in JobStatus::iter().filter(|s| s.is_final()) {
            assert!(JobStatus::iter().all(|to| !from.may_become(to)), "{from}");
        }
        for from in WorkStatus::iter().filter(|s| s.is_final()) {
            assert!(WorkStatus::iter().all(|to| !from.may_become(to)), "{from}");
        }
    }

    #[test]
    fn a_cause_always_ends_the_job() {
        for cause in Cause::iter() {
            assert!(cause.job_status().is_final() && cause.job_status() != JobStatus::Success, "{cause}");
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for cause in Cause::iter() {
            assert_eq!(cause.to_string().parse::<Cause>(), Ok(cause));
            assert_eq!(serde_json::to_value(cause).ok(), Some(cause.to_string().into()));
        }
    }
}
