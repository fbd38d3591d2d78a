//! A job: a thing asked for and reported on.

use crate::ids::{GroupId, JobId, StepId, UserId};
use crate::status::{Cause, JobStatus, StepStatus};
use crate::time::Time;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// What kind of thing was asked for. Each door knows its own kinds only.
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
pub enum JobKind {
    /// A builds.sr.ht job.
    Srht,
    /// A Hydra build.
    HydraBuild,
    /// A Hydra evaluation.
    HydraEvaluation,
    /// A Vieter build.
    Vieter,
}

/// Who may know that a job exists.
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
pub enum Visibility {
    /// Listed for everybody.
    Public,
    /// Known to whoever has its number, listed for its owner.
    Unlisted,
    /// Known to its owner and to administrators.
    Private,
}

/// A job as it is now, without its manifest: lists have no use for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number, over all kinds.
    pub id: JobId,
    /// What it is.
    pub kind: JobKind,
    /// Whose it is.
    pub owner: UserId,
    /// That user's name.
    pub owner_name: String,
    /// Group it belongs to.
    pub group: Option<GroupId>,
    /// From 1; raised when a door reopens it.
    pub round: i32,
    /// Status of this round.
    pub status: JobStatus,
    /// Why this round did not succeed; none until it ended, and after success.
    pub cause: Option<Cause>,
    /// Who may know of it.
    pub visibility: Visibility,
    /// Free text, markdown.
    pub note: Option<String>,
    /// Tags in the order given.
    pub tags: Vec<String>,
    /// Image of its plan, for lists.
    pub image: Option<String>,
    /// Whether it was submitted to be given the secrets that its manifest names.
    pub secrets: bool,
    /// Runner of the current or last attempt.
    pub runner: Option<String>,
    /// Time of submission.
    pub created: Time,
    /// Time of the last change.
    pub updated: Time,
    /// When this round began to wait.
    pub queued: Option<Time>,
    /// When a runner first took this round.
    pub started: Option<Time>,
    /// When this round ended.
    pub ended: Option<Time>,
}

/// A step of a job with the run of its latest attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Made at submission, the same in all attempts.
    pub id: StepId,
    /// From 0, in the order of the manifest.
    pub position: i32,
    /// Its name.
    pub name: String,
    /// Status in the latest attempt.
    pub status: StepStatus,
    /// Exit code, or 128 + signal.
    pub exit: Option<i32>,
    /// When its script was started.
    pub started: Option<Time>,
    /// When its script ended.
    pub ended: Option<Time>,
    /// Bytes of its log, over all attempts.
    pub log_bytes: i64,
}
