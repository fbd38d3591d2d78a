//! Looking at jobs, and ending them.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{AttemptSummary, JobFilter, Page, RunnerRow, Waiting};
use crate::submit::labels;
use ropewalk_model::event::Event;
use ropewalk_model::grant::{Mode, Scope};
use ropewalk_model::ids::{JobId, WorkId};
use ropewalk_model::job::{Job, JobKind, Step, Visibility};
use ropewalk_model::status::{Cause, JobStatus};

/// Items that one part of a list holds at most.
pub const PAGE_MAX: u32 = 100;

/// What a person asks a list of jobs for.
#[derive(Clone, Debug, Default)]
pub struct JobQuery {
    /// Name of a user.
    pub owner: Option<String>,
    /// Of this kind only.
    pub kind: Option<JobKind>,
    /// In this status only.
    pub status: Option<JobStatus>,
    /// With this visibility only.
    pub visibility: Option<Visibility>,
}

/// A work that waits, and why.
#[derive(Clone, Debug)]
pub struct Waiter {
    /// The job that it is for.
    pub job: Job,
    /// The work itself.
    pub work: WorkId,
    /// Why it waits.
    pub waiting: Waiting,
}

impl Farm {
    /// A job that the caller may know of.
    pub async fn job(&self, by: &Caller, number: JobId) -> Result<Job, Error> {
        access::see(by, self.store.job(number).await?, number)
    }

    /// What the person wrote, byte for byte, of a job that the caller may know of.
    pub async fn manifest(&self, by: &Caller, number: JobId) -> Result<String, Error> {
        self.job(by, number).await?;
        let manifest = self.store.manifest(number).await?;
        manifest.ok_or_else(|| Error::missing(format_args!("job {number}")))
    }

    /// A job of a kind that the caller may know of: each door knows its own kinds only.
    pub async fn job_of(&self, by: &Caller, kind: JobKind, number: JobId) -> Result<Job, Error> {
        let job = self.store.job(number).await?.filter(|job| job.kind == kind);
        access::see(by, job, number)
    }

    /// Replaces visibility and, unless there are none given, tags.
    pub async fn update(
        &self,
        by: &Caller,
        number: JobId,
        visibility: Visibility,
        tags: Option<Vec<String>>,
    ) -> Result<Job, Error> {
        let job = self.job(by, number).await?;
        access::change(by, &job)?;
        let tags = tags.map(|tags| labels::tags(tags, &self.settings.requests)).transpose()?;
        Ok(self.store.update(number, visibility, tags).await?)
    }

    /// Jobs, newest first; `before` is where the part before ended.
    pub async fn jobs(
        &self,
        by: &Caller,
        query: JobQuery,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Job>, Error> {
        access::holds(by, Scope::Jobs, Mode::Ro)?;
        let owner = match &query.owner {
            None => None,
            Some(name) => {
                match self.user_named(name).await? {
                    Some(user) => Some(user.id),
                    None if access::may_know_users(by) => {
                        return Err(Error::missing(format_args!("user {name:?}")).about("owner"));
                    }
                    // The answer for somebody whose jobs are none of the caller's business.
                    None => return Ok(Page { items: vec![], next: None }),
                }
            }
        };
        let JobQuery { kind, status, visibility, .. } = query;
        let filter =
            JobFilter { owner, visibility, kind, status, groups: None, seen_by: access::seen_by(by) };
        Ok(self.store.jobs(&filter, before, limit.clamp(1, PAGE_MAX)).await?)
    }

    /// Passes if there is a user of that name. builds.sr.ht's addresses tell that to anybody, and so do its pages.
    pub async fn user_exists(&self, name: &str) -> Result<(), Error> {
        let user = self.user_named(name).await?;
        user.map(drop).ok_or_else(|| Error::missing(format_args!("user {name:?}")))
    }

    /// How many jobs of a kind the caller has ever made.
    pub async fn count_jobs(&self, by: &Caller, kind: JobKind) -> Result<u64, Error> {
        access::holds(by, Scope::Jobs, Mode::Ro)?;
        Ok(self.store.count_jobs(access::owner(by)?.id, kind).await?)
    }

    /// A job's steps in order.
    pub async fn steps(&self, by: &Caller, number: JobId) -> Result<Vec<Step>, Error> {
        self.job(by, number).await?;
        Ok(self.store.steps(number).await?)
    }

    /// A job's events with a number above `after`.
    pub async fn events(
        &self,
        by: &Caller,
        number: JobId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        self.job(by, number).await?;
        Ok(self.store.events(number, after, limit.clamp(1, PAGE_MAX)).await?)
    }

    /// The tries at a job, oldest first.
    pub async fn attempts(&self, by: &Caller, number: JobId) -> Result<Vec<AttemptSummary>, Error> {
        self.job(by, number).await?;
        Ok(self.store.attempts(number).await?)
    }

    /// Why a job waits; [`Waiting::No`] once it runs.
    pub async fn waiting(&self, by: &Caller, number: JobId) -> Result<Waiting, Error> {
        self.job(by, number).await?;
        let work = self.store.root_work(number).await?;
        Ok(self.store.waiting(work).await?)
    }

    /// Queues a pending job.
    pub async fn start(&self, by: &Caller, number: JobId) -> Result<Job, Error> {
        let job = self.job(by, number).await?;
        access::change(by, &job)?;
        self.store.start(number).await?;
        self.job(by, number).await
    }

    /// Ends a job. A running one ends when its runner has reported so; the answer shows whether it has.
    pub async fn cancel(&self, by: &Caller, number: JobId) -> Result<Job, Error> {
        let job = self.job(by, number).await?;
        access::cancel(by, &job)?;
        if !self.store.cancel(number, Cause::Cancelled).await? {
            self.leases.wake();
        }
        self.job(by, number).await
    }

    /// Queued jobs that the caller may know of, with the reason why each waits; newest first.
    pub async fn queue(&self, by: &Caller, before: Option<i64>, limit: u32) -> Result<Page<Waiter>, Error> {
        let query = JobQuery { status: Some(JobStatus::Queued), ..JobQuery::default() };
        let Page { items, next } = self.jobs(by, query, before, limit).await?;
        let mut waiters = Vec::with_capacity(items.len());
        for job in items {
            let work = self.store.root_work(job.id).await?;
            let waiting = self.store.waiting(work).await?;
            waiters.push(Waiter { job, work, waiting });
        }
        Ok(Page { items: waiters, next })
    }

    /// All runners, by name, for whoever has an account.
    pub async fn runners(&self, by: &Caller) -> Result<Vec<RunnerRow>, Error> {
        access::member(by)?;
        Ok(self.store.runners().await?)
    }
}
