//! Jobs, groups and what belongs to them.

use super::{StoreError, Trigger};
use async_trait::async_trait;
use ropewalk_model::event::Event;
use ropewalk_model::ids::{ArtifactId, AttemptId, Fence, GroupId, JobId, UserId, WorkId};
use ropewalk_model::job::{Job, JobKind, Step, Visibility};
use ropewalk_model::link::Outcome;
use ropewalk_model::plan::SealedPlan;
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use ropewalk_model::work::Requirement;
use std::collections::HashMap;

/// Jobs and works that come into being together, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    /// Works that are needed. One whose key belongs to an unfinished work is not made: that one is joined.
    pub works: Vec<NewWork>,
    /// Jobs that need them.
    pub jobs: Vec<NewJob>,
    /// At most this many jobs of one owner may be unfinished afterwards; none means no limit.
    pub open_jobs_limit: Option<u64>,
}

/// A work of the same submission by its position, or one that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkRef {
    /// Position in [`Submission::works`]; must be lower than the position of the work that needs it.
    New(usize),
    /// A work of an earlier submission.
    Known(WorkId),
}

/// A work to be made.
#[derive(Clone, Debug)]
pub struct NewWork {
    /// At most one unfinished work has it.
    pub key: Option<String>,
    /// What it runs.
    pub plan: SealedPlan,
    /// What it asks of a runner.
    pub requirement: Requirement,
    /// Who pays: a name such as `user:1` or `jobset:p/j`, and its weight (1..=100,000).
    pub share_group: (String, i32),
    /// Higher first, within a share group.
    pub priority: i32,
    /// Not before then.
    pub not_before: Option<Time>,
    /// What must have succeeded before.
    pub needs: Vec<WorkRef>,
    /// What becomes of it when an attempt is lost.
    pub loss: Loss,
    /// How it ended before it was ever needed, where a door knows that (outputs that exist already, a failure that
    /// is remembered): it is never leased, and what needs it goes on or ends at once.
    pub ended: Option<Outcome>,
}

/// What becomes of a work when a runner that held it vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Attempts that may be lost before the work fails; at least 1.
    pub attempts: u32,
    /// Why it fails then: `runner-lost`, or `no-report` for agents that never renew.
    pub cause: Cause,
}

/// The work whose own failure made a job end as `dependency-failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// Which.
    pub work: WorkId,
    /// Why it failed.
    pub cause: Cause,
    /// What it said about that.
    pub message: Option<String>,
}

/// A job to be made.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it is.
    pub kind: JobKind,
    /// Whose it is.
    pub owner: UserId,
    /// Who may know of it.
    pub visibility: Visibility,
    /// What the person wrote.
    pub manifest: String,
    /// Free text.
    pub note: Option<String>,
    /// Tags in order.
    pub tags: Vec<String>,
    /// Image, for lists.
    pub image: Option<String>,
    /// Whether it may have secrets.
    pub secrets: bool,
    /// Names of its steps, in order.
    pub steps: Vec<String>,
    /// What is done at its end.
    pub triggers: Vec<Trigger>,
    /// The work that decides how it ends.
    pub root: WorkRef,
    /// False: it stays pending until it is started.
    pub execute: bool,
}

/// What a submission made, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// One for each new job.
    pub jobs: Vec<JobId>,
    /// One for each new work; an earlier one where a key was joined.
    pub works: Vec<WorkId>,
}

/// A group to be made of pending, ungrouped jobs of one owner.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// Whose it is.
    pub owner: UserId,
    /// Its members.
    pub jobs: Vec<JobId>,
    /// What is done when all of them have ended.
    pub triggers: Vec<Trigger>,
    /// Free text.
    pub note: Option<String>,
    /// Queue them at once.
    pub execute: bool,
}

/// A group of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: GroupId,
    /// Whose it is.
    pub owner: UserId,
    /// Free text.
    pub note: Option<String>,
    /// Its members, oldest first.
    pub jobs: Vec<JobId>,
    /// What is done when all of them have ended.
    pub triggers: Vec<Trigger>,
    /// Time of creation.
    pub created: Time,
}

/// Which jobs a list shows. Every field narrows; lists are newest first.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Of this user only.
    pub owner: Option<UserId>,
    /// With this visibility only.
    pub visibility: Option<Visibility>,
    /// Of this kind only.
    pub kind: Option<JobKind>,
    /// In this status only.
    pub status: Option<JobStatus>,
    /// Members of these groups only.
    pub groups: Option<Vec<GroupId>>,
    /// What the caller may know: none means everything.
    pub seen_by: Option<Option<UserId>>,
}

/// Part of a list, and where the next part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Give this for the next part; none at the end.
    pub next: Option<i64>,
}

/// One try at the work of a job, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptSummary {
    /// Its number over all.
    pub id: AttemptId,
    /// From 1 within the work.
    pub number: i32,
    /// The lease's number.
    pub fence: Fence,
    /// Runner that held it.
    pub runner: String,
    /// When it was handed out.
    pub leased: Time,
    /// When it ended.
    pub ended: Option<Time>,
    /// Why it did not succeed, once it ended.
    pub cause: Option<Cause>,
    /// What it said about that.
    pub message: Option<String>,
    /// Facts resolved at run time, in the order they came.
    pub facts: Vec<(String, String)>,
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Its number.
    pub id: ArtifactId,
    /// Path as the manifest names it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal; also its blob's name.
    pub sha256: String,
    /// When it was published.
    pub created: Time,
    /// 32 random hexadecimal digits: whoever knows them may download it.
    pub link: String,
}

impl Artifact {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// Port for jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Stores a submission. [`StoreError::Refused`] past the limit of open jobs.
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError>;
    /// Pending to queued. [`StoreError::Refused`] if it is not pending.
    async fn start(&self, job: JobId) -> Result<(), StoreError>;
    /// Makes a group; [`StoreError::Conflict`], and no change, unless every job is the owner's, pending and ungrouped.
    async fn create_group(&self, new: NewGroup) -> Result<Group, StoreError>;
    /// Queues the pending jobs of a group.
    async fn start_group(&self, group: GroupId) -> Result<(), StoreError>;
    /// A group.
    async fn group(&self, group: GroupId) -> Result<Option<Group>, StoreError> {
        Ok(self.groups(&[group]).await?.pop())
    }
    /// Those of these groups that there are, in no order.
    async fn groups(&self, groups: &[GroupId]) -> Result<Vec<Group>, StoreError>;
    /// Asks that a job end. Pending and queued jobs end at once; of a running one the lease's holder is told with its
    /// next renewal, and the job ends when it reports. True if the job has ended.
    /// [`StoreError::Refused`] if it had ended before. Works that no other open job needs are cancelled with it.
    async fn cancel(&self, job: JobId, cause: Cause) -> Result<bool, StoreError>;
    /// Reopens an ended job: next round, fresh works for what must run again, and every job that ended
    /// `dependency-failed` because of it reopened too. [`StoreError::Refused`] while it is open.
    async fn restart(&self, job: JobId) -> Result<(), StoreError>;
    /// Replaces tags and visibility.
    async fn update(
        &self,
        job: JobId,
        visibility: Visibility,
        tags: Option<Vec<String>>,
    ) -> Result<Job, StoreError>;
    /// A job.
    async fn job(&self, job: JobId) -> Result<Option<Job>, StoreError>;
    /// What the person wrote, byte for byte; none of a job that there is not.
    async fn manifest(&self, job: JobId) -> Result<Option<String>, StoreError> {
        Ok(self.manifests_of(&[job]).await?.remove(&job))
    }
    /// The same for many jobs at once.
    async fn manifests_of(&self, jobs: &[JobId]) -> Result<HashMap<JobId, String>, StoreError>;
    /// A list, by keyset: `before` is [`Page::next`] of the part before.
    async fn jobs(
        &self,
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Job>, StoreError>;
    /// How many jobs of a kind a user has. A counter: it costs the same for any number.
    async fn count_jobs(&self, owner: UserId, kind: JobKind) -> Result<u64, StoreError>;
    /// Steps in order, each with its run in the latest attempt.
    async fn steps(&self, job: JobId) -> Result<Vec<Step>, StoreError> {
        Ok(self.steps_of(&[job]).await?.remove(&job).unwrap_or_default())
    }
    /// The same for many jobs at once. A job that has none is left out.
    async fn steps_of(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<Step>>, StoreError>;
    /// Events with a number above `after`, in order.
    async fn events(&self, job: JobId, after: i64, limit: u32) -> Result<Vec<Event>, StoreError>;
    /// The root work of the job's current round.
    async fn root_work(&self, job: JobId) -> Result<WorkId, StoreError>;
    /// Which work's failure ended a job as `dependency-failed`; none for every other job.
    async fn culprit(&self, job: JobId) -> Result<Option<Culprit>, StoreError>;
    /// Attempts at the root works of all rounds, oldest first.
    async fn attempts(&self, job: JobId) -> Result<Vec<AttemptSummary>, StoreError>;
    /// Published files of the current round.
    async fn artifacts(&self, job: JobId) -> Result<Vec<Artifact>, StoreError> {
        Ok(self.artifacts_of(&[job]).await?.remove(&job).unwrap_or_default())
    }
    /// The same for many jobs at once. A job that has none is left out.
    async fn artifacts_of(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<Artifact>>, StoreError>;
    /// The published file that has this link, of whatever attempt.
    async fn artifact_by_link(&self, link: &str) -> Result<Option<Artifact>, StoreError>;
}
