//! Builds: what becomes of them, and what is shown of them and of evaluations.

use crate::nix::Projection;
use crate::port::StoreError;
use async_trait::async_trait;
use ropewalk_model::ids::{AttemptId, JobId, WorkId};
use ropewalk_model::nix::{Metric, Product, Realised, ResolvedInput};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::time::Duration;

/// A build whose job has ended.
#[derive(Clone, Debug)]
pub struct EndedBuild {
    /// Its number.
    pub build: JobId,
    /// The round that ended.
    pub round: i32,
    /// How.
    pub status: JobStatus,
    /// Why.
    pub cause: Option<Cause>,
    /// When a runner first took it.
    pub started: Option<Time>,
    /// When it ended.
    pub ended: Time,
    /// Its derivation's work was handed out at least once.
    pub was_run: bool,
    /// It succeeded in an earlier round.
    pub had_succeeded: bool,
    /// The derivation whose own failure this is.
    pub culprit: Option<FailedDerivation>,
    /// What its last attempt said about its failure.
    pub message: Option<String>,
    /// What its runner said about its outputs.
    pub realised: Option<Realised>,
}

/// A derivation that failed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDerivation {
    /// Path.
    pub drv_path: String,
    /// Why.
    pub cause: Cause,
    /// What it said about that.
    pub message: Option<String>,
    /// Its output is fixed by a hash.
    pub is_fixed: bool,
}

/// A failure to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Path of the derivation.
    pub drv_path: String,
    /// How long.
    pub until: Time,
}

/// A build with all that belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "Hydra's columns, explained where it is not their name")]
pub struct Build {
    pub id: i64,
    pub jobset_id: i64,
    pub project: String,
    pub jobset: String,
    pub job: String,
    pub nix_name: String,
    pub system: String,
    pub drv_path: String,
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub license: Option<String>,
    pub maintainers: Option<String>,
    pub priority: i64,
    pub timeout: Option<i64>,
    pub max_silent: Option<i64>,
    pub is_channel: bool,
    /// It belongs to the newest evaluation of its jobset.
    pub is_current: bool,
    /// Its outputs are never removed.
    pub keep: bool,
    /// When it was put in front; 0 if it was not.
    pub bumped: Time,
    pub created: Time,
    pub finished: bool,
    /// Hydra's number; none until it is finished.
    pub status: Option<i64>,
    /// Nothing had to be run for it.
    pub is_cached: bool,
    /// When a runner took it.
    pub started: Option<Time>,
    pub stopped: Option<Time>,
    /// Bytes of its outputs.
    pub size: Option<i64>,
    /// Bytes of its outputs and all that they refer to.
    pub closure_size: Option<i64>,
    pub release_name: Option<String>,
    /// Why it did not succeed, for people.
    pub message: Option<String>,
    /// Output name to path, where that is known.
    pub outputs: BTreeMap<String, Option<String>>,
    /// Numbered from 1 in this order.
    pub products: Vec<Product>,
    pub metrics: BTreeMap<String, Metric>,
    /// Evaluations that it belongs to, oldest first.
    pub evaluations: Vec<i64>,
}

/// A build in a list of many, without all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Hydra's columns, as of [`Build`]")]
pub struct BriefBuild {
    pub id: i64,
    pub project: String,
    pub jobset: String,
    pub job: String,
    pub nix_name: String,
    pub system: String,
    pub priority: i64,
    pub created: Time,
    pub finished: bool,
    /// Hydra's number; none until it is finished.
    pub status: Option<i64>,
}

/// Which builds a question is about. Every field narrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildFilter {
    /// Of this project, by name.
    pub project: Option<String>,
    /// Of this jobset, by name; needs the project.
    pub jobset: Option<String>,
    /// Of this job.
    pub job: Option<String>,
    /// For this system.
    pub system: Option<String>,
    /// How far they are.
    pub state: BuildProgress,
}

/// How far builds are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildProgress {
    /// However far.
    #[default]
    Any,
    /// Not finished.
    Open,
    /// Finished.
    Finished,
    /// With status 0.
    Succeeded,
}

/// An evaluation that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationRow {
    /// Its number.
    pub id: i64,
    /// Job of its run.
    pub job: JobId,
    /// What was evaluated.
    pub jobset_id: i64,
    /// Name of its project.
    pub project: String,
    /// Name of the jobset.
    pub jobset: String,
    /// When it was taken over.
    pub created: Time,
    /// Seconds that the inputs took.
    pub checkout_time: i64,
    /// Seconds that the evaluation took.
    pub evaluation_time: i64,
    /// Its place among those of its jobset that had new builds, from 1; none if it had none.
    pub ordinal: Option<i64>,
    /// Its builds, ascending.
    pub builds: Vec<i64>,
    /// What its inputs were.
    pub inputs: BTreeMap<String, ResolvedInput>,
}

/// How far many builds are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not finished.
    pub scheduled: i64,
    /// Finished with status 0.
    pub succeeded: i64,
    /// Finished otherwise.
    pub failed: i64,
}

impl Counts {
    /// All of them.
    pub fn total(self) -> i64 {
        self.scheduled + self.succeeded + self.failed
    }
}

/// What a build took and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasuredBuild {
    /// Its number.
    pub id: i64,
    /// When it was made.
    pub created: Time,
    /// When a runner took it.
    pub started: Option<Time>,
    /// When it ended.
    pub stopped: Option<Time>,
    /// Nothing had to be run for it.
    pub is_cached: bool,
    /// Bytes of its outputs.
    pub size: Option<i64>,
    /// Bytes of its outputs and all that they refer to.
    pub closure_size: Option<i64>,
}

/// One try at a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationAttempt {
    /// Its number.
    pub attempt: AttemptId,
    /// A job that the derivation's work decides, whose log this is.
    pub job: Option<JobId>,
    /// Its log, once it ended.
    pub log: Option<crate::port::BlobRef>,
}

/// Port for builds.
#[async_trait]
pub trait Builds: Send + Sync {
    /// Builds whose job ended and that do not know it, at most `limit`, in no order.
    async fn ended_builds(&self, limit: u32) -> Result<Vec<EndedBuild>, StoreError>;
    /// Tells builds how they ended, and remembers failures.
    async fn settle_builds(
        &self,
        ends: Vec<(JobId, i32, Projection)>,
        failures: Vec<Failure>,
    ) -> Result<(), StoreError>;
    /// Resolves when jobs may have ended since this call, possibly too often.
    fn jobs_changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Builds by number, in the order asked for. What there is none of is left out.
    async fn builds(&self, ids: &[i64]) -> Result<Vec<Build>, StoreError>;
    /// The same, and of each what lists show only.
    async fn brief_builds(&self, ids: &[i64]) -> Result<Vec<BriefBuild>, StoreError>;
    /// Numbers of an evaluation's builds above `after`, ascending.
    async fn builds_of_evaluation(
        &self,
        evaluation: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError>;
    /// The build of a job in an evaluation.
    async fn build_of_evaluation(&self, evaluation: i64, job: &str) -> Result<Option<i64>, StoreError>;
    /// Numbers of builds below `before`, newest first. A system, and a job without its jobset, are looked for among the
    /// newest builds only.
    async fn newest_builds(
        &self,
        filter: &BuildFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError>;
    /// The newest successful build that belongs to an evaluation of which nothing is unfinished.
    async fn latest_finished(&self, filter: &BuildFilter) -> Result<Option<i64>, StoreError>;
    /// Builds that an aggregate consists of, by the name of their job.
    async fn constituents(&self, aggregate: i64) -> Result<Vec<i64>, StoreError>;
    /// Unfinished builds: those put in front first, then the oldest.
    async fn build_queue(&self, limit: u32) -> Result<Vec<i64>, StoreError>;
    /// Unfinished builds: those of the highest priority first, then the oldest.
    async fn queue_by_priority(&self, limit: u32) -> Result<Vec<i64>, StoreError>;
    /// Unfinished builds of an evaluation, ascending.
    async fn open_builds_of(&self, evaluation: i64) -> Result<Vec<i64>, StoreError>;
    /// How many builds are unfinished.
    async fn open_builds(&self) -> Result<u64, StoreError>;
    /// Builds of which a runner holds the derivation.
    async fn running_builds(&self, limit: u32) -> Result<Vec<i64>, StoreError>;
    /// Builds by a part of an output's path, newest first. A whole path is found however old it is, a part of one among
    /// the newest builds only.
    async fn find_by_output(&self, text: &str, limit: u32) -> Result<Vec<i64>, StoreError>;
    /// The same by a part of the derivation's path.
    async fn find_by_drv(&self, text: &str, limit: u32) -> Result<Vec<i64>, StoreError>;
    /// How far the current builds of jobsets are. A jobset that has none is left out.
    async fn jobset_counts(&self, jobsets: &[i64]) -> Result<HashMap<i64, Counts>, StoreError>;
    /// An evaluation with its builds and inputs.
    async fn evaluation(&self, id: i64) -> Result<Option<EvaluationRow>, StoreError>;
    /// How many evaluations of a jobset had new builds.
    async fn count_evaluations(&self, jobset: i64) -> Result<i64, StoreError>;
    /// Evaluations of a jobset that had new builds, newest first: those with ordinals up to `from`.
    async fn evaluations(&self, jobset: i64, from: i64, limit: u32)
    -> Result<Vec<EvaluationRow>, StoreError>;
    /// Evaluations of all jobsets that had new builds and lie below `before`, newest first.
    async fn newest_evaluations(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<EvaluationRow>, StoreError>;
    /// The newest evaluation of a jobset that had new builds, none of which is unfinished.
    async fn latest_evaluation(&self, jobset: i64) -> Result<Option<i64>, StoreError>;
    /// The newest evaluation that a build belongs to, none of whose builds is unfinished.
    async fn latest_evaluation_of_build(&self, build: i64) -> Result<Option<i64>, StoreError>;
    /// How far the builds of evaluations are.
    async fn evaluation_counts(&self, evaluations: &[i64]) -> Result<HashMap<i64, Counts>, StoreError>;
    /// Builds of an evaluation with one of these statuses.
    async fn builds_with_status(&self, evaluation: i64, statuses: &[i64]) -> Result<Vec<i64>, StoreError>;
    /// Tries at a derivation, by its base name, oldest first.
    async fn derivation_attempts(&self, drv: &str) -> Result<Vec<DerivationAttempt>, StoreError>;
    /// Values of a metric of a job, oldest first: build, when it was made, value and unit.
    async fn metric_history(
        &self,
        filter: &BuildFilter,
        metric: &str,
        limit: u32,
    ) -> Result<Vec<(i64, Time, Metric)>, StoreError>;
    /// The newest builds and what they took, oldest first.
    async fn measured_builds(
        &self,
        filter: &BuildFilter,
        limit: u32,
    ) -> Result<Vec<MeasuredBuild>, StoreError>;
    /// How many builds were made since a time, by whole widths after it. Widths without any are left out.
    async fn count_builds(
        &self,
        filter: &BuildFilter,
        from: Time,
        width: Duration,
    ) -> Result<BTreeMap<i64, u64>, StoreError>;
    /// Restarts builds: their next round, and that of all that failed because of them. What is remembered of failures
    /// below them is forgotten. Those that have not ended are left as they are; answers which were restarted.
    async fn restart_builds(&self, builds: &[i64]) -> Result<Vec<i64>, StoreError>;
    /// Cancels those of these builds that have not ended, all or none; answers how many.
    async fn cancel_builds(&self, builds: &[i64]) -> Result<usize, StoreError>;
    /// Puts builds, and what they need, in front of the queue, all or none.
    async fn bump_builds(&self, builds: &[i64]) -> Result<(), StoreError>;
    /// Whether a build's outputs are kept for ever. [`StoreError::Missing`] if there is no such build.
    async fn keep_build(&self, build: i64, keep: bool) -> Result<(), StoreError>;
    /// Ready works of Nix, at most `limit`, older than `after`, that no runner can serve which was heard of within
    /// `after`.
    async fn unserved(&self, after: Duration, limit: u32) -> Result<Vec<(WorkId, String)>, StoreError>;
    /// Forgets failures whose time is over, or all of them.
    async fn forget_failures(&self, all: bool) -> Result<u64, StoreError>;
    /// Paths that must stay in the store; see [`crate::nix`].
    async fn wanted_paths(&self) -> Result<Vec<String>, StoreError>;
}
