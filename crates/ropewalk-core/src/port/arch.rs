//! Targets, their builds and logs, and package repositories.

use super::{BlobRef, Loss, StoreError, Submission};
use crate::arch::BuildConfig;
use async_trait::async_trait;
use ropewalk_model::ids::{JobId, UserId};
use ropewalk_model::job::Job;
use ropewalk_model::time::Time;
use ropewalk_model::work::Requirement;
use std::collections::HashMap;
use std::time::Duration;
use strum::{Display, EnumString};

/// Where a target's PKGBUILD is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, serde::Serialize, serde::Deserialize)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// In a git repository.
    Git,
    /// Under an address of its own.
    Url,
}

/// What a person says about a target. Texts that were not given are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFields {
    /// How `url` is to be taken.
    pub kind: TargetKind,
    /// Of the repository or of the PKGBUILD.
    pub url: String,
    /// Empty: the repository's own.
    pub branch: String,
    /// Name of the repository that its packages go to.
    pub repo: String,
    /// Empty: the server's own.
    pub schedule: String,
    /// Folder within the git repository.
    pub path: String,
}

/// One architecture of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetArch {
    /// Its number.
    pub id: i64,
    /// In the words of pacman (`x86_64`, `aarch64`).
    pub value: String,
}

/// Something that is to be built again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub owner: UserId,
    /// What it is.
    pub fields: TargetFields,
    /// Architectures that it is built for by its schedule.
    pub archs: Vec<TargetArch>,
    /// Counts its changes.
    pub revision: i64,
}

/// Which targets a list shows; empty texts narrow nothing.
#[derive(Clone, Debug, Default)]
pub struct TargetFilter {
    /// Of this repository.
    pub repo: String,
    /// Of this architecture.
    pub arch: String,
    /// Text within address, path or branch.
    pub query: String,
    /// With a higher number than this.
    pub after: i64,
}

/// When a target is built, and how it went.
#[derive(Clone, Debug, Default)]
pub struct TargetRuns {
    /// Its architectures in order, with when each is built next; no time: that build waits already.
    pub next: Vec<(String, Option<Time>)>,
    /// Its newest build.
    pub last: Option<TargetBuild>,
}

/// A build of a target.
#[derive(Clone, Debug)]
pub struct TargetBuild {
    /// The job that it is.
    pub job: Job,
    /// Its architecture.
    pub arch: String,
    /// Number of its log, once there is one.
    pub log: Option<i64>,
}

/// A schedule whose time has come.
#[derive(Clone, Debug)]
pub struct DueBuild {
    /// The row of the target's architecture.
    pub row: i64,
    /// The target.
    pub target: Target,
    /// Its architecture.
    pub arch: String,
}

/// Whose agents may take a build. An agent puts its key into each build, so whoever writes a PKGBUILD can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Those of administrators.
    Administrators,
    /// Those of one account.
    Of(UserId),
}

impl Pool {
    /// Its number, which no other pool has; accounts count from 1.
    pub fn number(self) -> i64 {
        match self {
            Pool::Administrators => 0,
            Pool::Of(user) => user.0,
        }
    }

    /// The pool of a number.
    pub fn of(number: i64) -> Pool {
        if number == 0 { Pool::Administrators } else { Pool::Of(UserId(number)) }
    }
}

/// A build to be queued.
#[derive(Clone, Debug)]
pub struct NewBuild {
    /// What is built; [`StoreError::Conflict`] if it was changed since.
    pub target: (i64, i64),
    /// For which architecture.
    pub arch: String,
    /// Whose agents may take it.
    pub pool: Pool,
    /// Name of the runner that stands for all of these that have that architecture.
    pub agents: String,
    /// Architectures that one pool may have builds for.
    pub archs_limit: u32,
    /// The row whose schedule asked for it; none: a person.
    pub row: Option<i64>,
    /// One work and one job.
    pub submission: Submission,
}

/// What a poll asks for.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Architecture.
    pub arch: String,
    /// Whose agent asks.
    pub pool: Pool,
    /// Builds at most.
    pub most: u32,
    /// How long a log is waited for.
    pub lease_for: Duration,
    /// Schedule of targets without one.
    pub schedule: crate::arch::Cron,
    /// What builds ask of agents.
    pub requirement: Requirement,
    /// What becomes of a build for which no log comes.
    pub loss: Loss,
}

/// What our own runners are given of the builds for one architecture.
#[derive(Clone, Debug)]
pub struct Native {
    /// Architecture.
    pub arch: String,
    /// Whose agents may take them.
    pub pool: Pool,
    /// What a runner of ours must be; nothing is given where none is.
    pub requirement: Requirement,
    /// Builds that were due by then.
    pub due: Time,
    /// If no agent of the pool has polled for the architecture since then.
    pub polled: Time,
    /// Attempts that may be lost.
    pub attempts: u32,
    /// Builds at most.
    pub limit: u32,
}

/// The log of a build, to be kept.
#[derive(Clone, Debug)]
pub struct NewLog {
    /// What was built.
    pub target: i64,
    /// When the build began, in seconds.
    pub start: i64,
    /// When it ended, in seconds.
    pub end: i64,
    /// The architecture that the agent says.
    pub arch: String,
    /// Exit code of the build.
    pub exit: i32,
    /// The log's bytes.
    pub blob: BlobRef,
    /// Name of the runner that stands for builds that nobody handed out.
    pub agents: String,
    /// What becomes of it if no build of the target was handed out: a build of its own.
    pub alone: Submission,
}

/// A log that was uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildLog {
    /// Its number.
    pub id: i64,
    /// What was built.
    pub target: i64,
    /// When the build began, in seconds.
    pub start: i64,
    /// When it ended, in seconds.
    pub end: i64,
    /// Architecture.
    pub arch: String,
    /// Exit code of the build.
    pub exit: i64,
    /// Its bytes.
    pub blob: BlobRef,
}

/// Which logs a list shows.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Of this target.
    pub target: Option<i64>,
    /// Whose build began before, in seconds.
    pub before: Option<i64>,
    /// Whose build began after, in seconds.
    pub after: Option<i64>,
    /// Of this architecture; empty narrows nothing.
    pub arch: String,
    /// With one of these exit codes, if there are any.
    pub exits: Vec<i64>,
    /// With none of these.
    pub not_exits: Vec<i64>,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Items at most.
    pub limit: u32,
    /// Items left out before.
    pub offset: u64,
}

/// Port for what package builders need.
#[async_trait]
pub trait Arch: Send + Sync {
    /// Makes a target and, if it is new, its repository. [`StoreError::Refused`] if that one is somebody else's and
    /// `any_repo` is not set.
    async fn create_target(
        &self,
        owner: UserId,
        any_repo: bool,
        fields: TargetFields,
        archs: Vec<String>,
        next: Time,
    ) -> Result<Target, StoreError>;
    /// A target.
    async fn target(&self, id: i64) -> Result<Option<Target>, StoreError>;
    /// Targets by number.
    async fn targets(&self, filter: &TargetFilter, window: Window) -> Result<Vec<Target>, StoreError>;
    /// Schedules and newest builds of targets; of a target that there is not nothing.
    async fn target_runs(&self, targets: &[i64]) -> Result<HashMap<i64, TargetRuns>, StoreError>;
    /// Builds of a target below a number, newest first.
    async fn target_builds(
        &self,
        target: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<TargetBuild>, StoreError>;
    /// Replaces a target, if it still has that revision, and invalidates its queued builds. Architectures stay if none
    /// are given.
    async fn update_target(
        &self,
        target: (i64, i64),
        any_repo: bool,
        fields: TargetFields,
        archs: Option<Vec<String>>,
        next: Time,
    ) -> Result<Target, StoreError>;
    /// Removes a target and invalidates its queued builds. Nothing if there is none.
    async fn delete_target(&self, id: i64) -> Result<(), StoreError>;
    /// Schedules whose time came before `now`, oldest first; first sets those right again whose build ended without
    /// having been handed out.
    async fn due_builds(&self, schedule: crate::arch::Cron, limit: u32) -> Result<Vec<DueBuild>, StoreError>;
    /// Moves schedules on whose time came while no server ran.
    async fn skip_missed(&self, schedule: crate::arch::Cron) -> Result<u64, StoreError>;
    /// Queues a build; none if its schedule was changed meanwhile. [`StoreError::Full`] if the pool has too many
    /// architectures; a schedule that asks for one too many is stopped.
    async fn queue_build(&self, new: NewBuild) -> Result<Option<JobId>, StoreError>;
    /// Hands out builds, the longest due first, and sets when their schedules come next.
    async fn poll(&self, poll: Poll) -> Result<Vec<BuildConfig>, StoreError>;
    /// Architectures and pools of builds that were due by then and that nobody has taken or will take but agents.
    async fn waiting_archs(&self, due: Time) -> Result<Vec<(String, Pool)>, StoreError>;
    /// Lets our own runners take builds; the next poll takes back what none of them has. How many.
    async fn go_native(&self, native: Native) -> Result<u64, StoreError>;
    /// Keeps the logs of builds that our own runners have ended. How many builds these were.
    async fn end_native(&self, limit: u32) -> Result<u64, StoreError>;
    /// Ends builds that were cancelled while an agent had them, which nobody can tell it, and lets go of agents' builds that
    /// have ended without a log: a log that comes later is a build of its own. How many.
    async fn close_builds(&self, limit: u32) -> Result<u64, StoreError>;
    /// Keeps a log and ends the build that it is of. [`StoreError::Missing`] if there is no such target.
    async fn keep_log(&self, new: NewLog) -> Result<i64, StoreError>;
    /// Logs by number.
    async fn build_logs(&self, filter: &LogFilter, window: Window) -> Result<Vec<BuildLog>, StoreError>;
    /// A log.
    async fn build_log(&self, id: i64) -> Result<Option<BuildLog>, StoreError>;
    /// Removes a log; false if there is none.
    async fn delete_build_log(&self, id: i64) -> Result<bool, StoreError>;
    /// Removes logs of builds that began before then (seconds), oldest first, at most so many; how many there were.
    async fn forget_build_logs(&self, before: i64, limit: u32) -> Result<u64, StoreError>;
}
