//! Leases: which runner holds which attempt, until when.

use super::StoreError;
use async_trait::async_trait;
use ropewalk_model::ids::{AttemptId, Fence, JobId, RunnerId, WorkId};
use ropewalk_model::link::{LogFile, Outcome, Report, Verdict};
use ropewalk_model::plan::SealedPlan;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use ropewalk_model::work::{Labels, Requirement};
use std::time::Duration;

/// A registered runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerRow {
    /// Its number.
    pub id: RunnerId,
    /// Its name.
    pub name: String,
    /// What it offers.
    pub labels: Labels,
    /// Builds at the same time.
    pub slots: u32,
    /// When it last asked or renewed.
    pub seen: Time,
}

/// A work handed to a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The work.
    pub work: WorkId,
    /// The new attempt at it.
    pub attempt: AttemptId,
    /// Its lease.
    pub fence: Fence,
    /// Holds until then.
    pub until: Time,
    /// What to run.
    pub plan: SealedPlan,
    /// The oldest open job that it decides; none if only other works need it.
    pub job: Option<JobId>,
}

/// What became of one renewed lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Which.
    pub attempt: AttemptId,
    /// What its holder must do.
    pub verdict: Verdict,
}

/// What an attempt is to a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The runner holds it by this fence.
    Held,
    /// The runner has ended it by this fence.
    Ended,
    /// It is somebody else's, was lost, or never was.
    Superseded,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Which.
    pub attempt: AttemptId,
    /// Its lease.
    pub fence: Fence,
    /// How.
    pub outcome: Outcome,
    /// Logs as sealed blobs, switched in the same transaction.
    pub logs: Vec<(LogFile, super::BlobRef)>,
}

/// What an end brought about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Jobs that ended, in no order.
    pub jobs: Vec<JobId>,
    /// Works that became ready.
    pub ready: Vec<WorkId>,
    /// True if the attempt had ended before; then nothing changed.
    pub repeated: bool,
}

/// A lease that ran out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    /// The lost attempt.
    pub attempt: AttemptId,
    /// Its work.
    pub work: WorkId,
    /// True: ready again; false: the tries are used up, or nobody needs the work any more.
    pub again: bool,
}

/// Why a work waits, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Its job was not started, or its start lies ahead.
    Held {
        /// When it will be released, if it is known.
        until: Option<Time>,
    },
    /// Works that it needs have not succeeded yet.
    Needs {
        /// How many.
        count: i64,
    },
    /// No registered runner can serve it.
    NoRunner {
        /// What it asks for.
        requirement: Requirement,
    },
    /// Runners that can serve it are busy; this many ready works of all classes that they serve are older.
    Busy {
        /// Ready works of the same class, this one included.
        ready: i64,
        /// Names of runners that could serve it.
        runners: Vec<String>,
    },
    /// It does not wait.
    No,
}

/// Port for the queue. Leases and renewals need not wait for the disk: one that a crash takes back is given again under
/// a higher fencing number. Records and ends do: an agent never sends again what was answered.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Makes or renews a runner by its name.
    async fn register(&self, name: &str, labels: &Labels, slots: u32) -> Result<RunnerRow, StoreError>;
    /// All runners, by name.
    async fn runners(&self) -> Result<Vec<RunnerRow>, StoreError>;
    /// Takes up to `n` ready works that the runner can serve. Order: bumped first, then the share group with the
    /// least (seconds used in 24 h ÷ shares), then priority, then age. What it costs does not depend on works that
    /// this runner cannot serve. The job becomes running.
    async fn lease_next(
        &self,
        runner: RunnerId,
        n: u32,
        lease_for: Duration,
    ) -> Result<Vec<Lease>, StoreError>;
    /// Renews leases of one runner.
    async fn renew(
        &self,
        runner: RunnerId,
        held: &[(AttemptId, Fence)],
        lease_for: Duration,
    ) -> Result<Vec<Renewal>, StoreError>;
    /// What an attempt is to a runner with this fence.
    async fn standing(
        &self,
        runner: RunnerId,
        attempt: AttemptId,
        fence: Fence,
    ) -> Result<Standing, StoreError>;
    /// Records one fact of an attempt; [`Queue::finish`] is for the last one. A number that was recorded before is
    /// ignored. [`StoreError::Superseded`] if the lease is over.
    async fn record(&self, report: &Report) -> Result<(), StoreError>;
    /// Ends an attempt, and with it whatever depends on it: its work, the works that need it, the jobs, groups,
    /// events and deliveries, all at once. The only place where a job's status is derived from its works.
    async fn finish(&self, finish: Finish) -> Result<Finished, StoreError>;
    /// Ends leases that ran out, at most `limit`. A lease runs out when it was not renewed for as long as it was
    /// given, counted from the later of its last renewal and `since`, the start of this server: nobody could renew
    /// while no server ran. Its work is tried again as its [`Loss`](super::Loss) says.
    async fn expire(&self, since: Time, limit: u32) -> Result<Vec<Expired>, StoreError>;
    /// Ends at once the leases of a runner that it does not hold any more, as [`Queue::expire`] ends those that ran
    /// out: an agent has started again and found no trace of them.
    async fn abandon(
        &self,
        runner: RunnerId,
        held: &[(AttemptId, Fence)],
    ) -> Result<Vec<Expired>, StoreError>;
    /// Ends a work that no runner holds, because nobody ever will or should run it (`unsupported-system`,
    /// `cached-failure`), and whatever needs it. [`StoreError::Refused`] if it is leased or has ended.
    async fn fail_work(&self, work: WorkId, cause: Cause, message: &str) -> Result<Finished, StoreError>;
    /// Releases held works whose time has come, at most `limit`; says how many.
    async fn release_due(&self, limit: u32) -> Result<u32, StoreError>;
    /// Puts a work, and what it needs, in front of all that were bumped before.
    async fn bump(&self, work: WorkId) -> Result<(), StoreError>;
    /// Why a work waits.
    async fn waiting(&self, work: WorkId) -> Result<Waiting, StoreError>;
    /// Resolves when works may have become ready, possibly too often; never loses one that became ready after the
    /// call was made.
    async fn changed(&self);
}
