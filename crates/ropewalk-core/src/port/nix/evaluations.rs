//! Evaluations: jobsets that are due, and what becomes of an evaluation that ended.

use super::Jobset;
use crate::nix::{Known, Projection};
use crate::port::{BlobRef, NewWork, StoreError, Submission};
use async_trait::async_trait;
use ropewalk_model::ids::{JobId, UserId};
use ropewalk_model::nix::{FoundJob, ResolvedInput};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// A jobset whose evaluation is due.
#[derive(Clone, Debug)]
pub struct DueJobset {
    /// Which, with the trigger and the force that were read.
    pub jobset: Jobset,
    /// Whose its project is.
    pub owner: UserId,
    /// It, or its project, is not shown in lists.
    pub is_hidden: bool,
    /// Hash of its newest evaluation.
    pub newest_hash: Option<String>,
}

/// An evaluation to be started.
#[derive(Clone, Debug)]
pub struct NewEvaluation {
    /// What is evaluated.
    pub jobset: i64,
    /// The trigger that was read; another one meanwhile and nothing is started.
    pub triggered: Option<Time>,
    /// Evaluations that may run at once.
    pub at_once: u32,
    /// One job of one work.
    pub submission: Submission,
}

/// An evaluation whose job has ended.
#[derive(Clone, Debug)]
pub struct EndedEvaluation {
    /// Its job.
    pub job: JobId,
    /// What was evaluated; none if that was removed meanwhile.
    pub jobset: Option<EvaluatedJobset>,
    /// How it ended.
    pub status: JobStatus,
    /// Why.
    pub cause: Option<Cause>,
    /// What its last attempt said about that.
    pub message: Option<String>,
    /// Its result, if it published one.
    pub result: Option<BlobRef>,
}

/// What is known of a jobset when its evaluation is taken over.
#[derive(Clone, Debug)]
pub struct EvaluatedJobset {
    /// Its number.
    pub id: i64,
    /// Name of its project.
    pub project: String,
    /// Its name.
    pub name: String,
    /// Whose its project is.
    pub owner: UserId,
    /// It, or its project, is not shown in lists.
    pub is_hidden: bool,
    /// Weight among other jobsets.
    pub shares: i32,
    /// Builds of its newest evaluation that had new builds; none if there is none.
    pub previous: Option<Vec<Known>>,
}

/// An ended evaluation, to be written down.
#[derive(Clone, Debug)]
pub struct TakeOver {
    /// Its job.
    pub job: JobId,
    /// What came of it.
    pub result: Taken,
}

/// What came of an evaluation.
#[derive(Clone, Debug)]
pub enum Taken {
    /// The inputs were those of the newest evaluation.
    Same,
    /// An input could not be had, for people.
    NotFetched(String),
    /// It failed as a whole, for people. `again`: that says nothing about the jobset, so that a one-shot stays enabled.
    Failed {
        /// What went wrong.
        text: String,
        /// Nothing was evaluated.
        again: bool,
    },
    /// Jobs were found.
    Evaluated(Box<Evaluated>),
}

/// An evaluation with what it changes.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Of all that was evaluated.
    pub hash: String,
    /// Seconds that the inputs took.
    pub checkout_time: u64,
    /// Seconds that the evaluation took.
    pub evaluation_time: u64,
    /// What the inputs were.
    pub inputs: BTreeMap<String, ResolvedInput>,
    /// What could not be evaluated, for people.
    pub errors: String,
    /// It has new builds, or more or fewer than the previous one.
    pub is_changed: bool,
    /// Its builds.
    pub members: Vec<NewMember>,
    /// Positions in `members`: an aggregate, and what it consists of.
    pub constituents: Vec<(usize, usize)>,
    /// Works and jobs of the new builds.
    pub submission: Submission,
    /// Derivation of each work of the submission.
    pub derivations: Vec<NewDerivation>,
    /// What is tried again.
    pub retry: Retry,
}

/// Builds that had not succeeded and whose path another derivation makes now: that one is tried.
#[derive(Clone, Debug, Default)]
pub struct Retry {
    /// In the order in which they need each other.
    pub works: Vec<NewWork>,
    /// Derivation of each of them.
    pub derivations: Vec<NewDerivation>,
    /// The builds.
    pub builds: Vec<RetriedBuild>,
}

/// A build that is tried again with another derivation.
#[derive(Clone, Debug)]
pub struct RetriedBuild {
    /// Its number.
    pub build: JobId,
    /// Position of its derivation's work.
    pub root: usize,
    /// How it ended, if its path was there already.
    pub ended: Option<Projection>,
}

/// A derivation that a work builds.
#[derive(Clone, Debug)]
pub struct NewDerivation {
    /// Its base name.
    pub name: String,
    /// Its output is fixed by a hash.
    pub is_fixed: bool,
}

/// A build of an evaluation.
#[derive(Clone, Debug)]
pub enum NewMember {
    /// One that there is already.
    Known {
        /// Its number.
        build: JobId,
        /// The derivation that makes its path now, if that is another one.
        drv_path: Option<String>,
    },
    /// A new one.
    New(Box<NewBuild>),
}

/// A build to be made.
#[derive(Clone, Debug)]
pub struct NewBuild {
    /// Position among the submission's jobs.
    pub job: usize,
    /// What was found.
    pub found: FoundJob,
    /// What makes it the same as another build of its job.
    pub makes: String,
    /// How it ended, if it was there already.
    pub ended: Option<Projection>,
}

/// What was resolved of a build or an evaluation that an input names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Number of the build or of the evaluation.
    pub id: i64,
    /// Job name to path of the output `out`, or of the first one.
    pub jobs: BTreeMap<String, ResolvedBuild>,
}

/// A successful build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedBuild {
    /// Its name in Nix.
    pub nix_name: String,
    /// Its derivation.
    pub drv_path: String,
    /// The output that is given.
    pub output_name: String,
    /// Its path.
    pub path: String,
}

/// What an input's value names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A build by its number.
    Build(i64),
    /// The newest successful build of a job.
    Job {
        /// Project.
        project: String,
        /// Jobset.
        jobset: String,
        /// Job.
        job: String,
    },
    /// An evaluation by its number.
    Evaluation(i64),
    /// The newest evaluation of a jobset whose builds have all ended, where a job succeeded if one is named.
    Newest {
        /// Project.
        project: String,
        /// Jobset.
        jobset: String,
        /// Job.
        job: Option<String>,
    },
}

/// Port for evaluations.
#[async_trait]
pub trait Evaluations: Send + Sync {
    /// Jobsets that are due and not being evaluated, as many as may be started while at most `at_once` run: those that
    /// were asked for longest ago first, then those looked at longest ago.
    async fn due_jobsets(&self, at_once: u32) -> Result<Vec<DueJobset>, StoreError>;
    /// Starts an evaluation; none if somebody else did, the jobset was changed, or too many run.
    async fn start_evaluation(&self, new: NewEvaluation) -> Result<Option<JobId>, StoreError>;
    /// Writes down that the inputs of a due jobset cannot be had, without a run.
    async fn refuse_evaluation(
        &self,
        jobset: i64,
        triggered: Option<Time>,
        why: &str,
    ) -> Result<(), StoreError>;
    /// The job of a jobset's evaluation that runs, or waits to be taken over.
    async fn evaluating(&self, jobset: i64) -> Result<Option<JobId>, StoreError>;
    /// Ended evaluations that nobody took over, at most `limit`, oldest first.
    async fn ended_evaluations(&self, limit: u32) -> Result<Vec<EndedEvaluation>, StoreError>;
    /// Those of these derivations whose failure is remembered.
    async fn failed_before(&self, drv_paths: Vec<String>) -> Result<BTreeSet<String>, StoreError>;
    /// Writes an ended evaluation down, with all that it changes, and queues its new builds; false if somebody else
    /// did, or the jobset is gone.
    async fn take_over(&self, take: TakeOver) -> Result<bool, StoreError>;
    /// Removes the jobs of evaluations of which nothing was kept, but for the newest `keep` of each jobset, at most
    /// `limit`; answers how many.
    async fn forget_looks(&self, keep: u32, limit: u32) -> Result<u64, StoreError>;
    /// What an input names; none if there is no such thing.
    async fn resolve(&self, wanted: Wanted) -> Result<Option<Resolved>, StoreError>;
}
