//! Jobs, their tasks and files.

use super::groups::JobGroup;
use super::logs::Log;
use super::scalars::{Cursor, JobStatus, TaskStatus, Time, Visibility};
use super::secrets::Secret;
use super::together::Together;
use super::users::{Entity, User};
use crate::access::{AccessKind, AccessScope, access};
use crate::answer::of_field;
use crate::logs::{setup_url, task_url};
use crate::query::Asked;
use crate::unbuilt::JOB_SECRETS;
use async_graphql::{Context, Object, Result};
use ropewalk_core::access as rights;
use ropewalk_core::error::Error;
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::logs::OpenLog;
use ropewalk_core::port;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{self, JobKind};
use ropewalk_model::link::LogName;
use ropewalk_model::manifest::{self, ManifestLimits};
use std::sync::Arc;

/// Items of one part of a list.
pub(super) const PAGE: u32 = 25;

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(super) row: Arc<job::Job>,
    together: Arc<Together>,
}

impl Job {
    /// A job by itself.
    pub(super) fn alone(job: job::Job) -> Job {
        let row = Arc::new(job);
        Job { row: row.clone(), together: Together::new(vec![row]) }
    }

    /// Jobs that were found together.
    pub(super) fn all(together: Arc<Together>) -> impl Iterator<Item = Job> {
        let rows = together.jobs().to_vec();
        rows.into_iter().map(move |row| Job { row, together: together.clone() })
    }

    /// A builds.sr.ht job that the caller may know of.
    pub(super) async fn find(ctx: &Context<'_>, number: i64) -> Result<Job> {
        let asked = ctx.data::<Asked>()?;
        let job = asked.farm.job_of(&asked.caller, JobKind::Srht, JobId(number)).await.map_err(of_field)?;
        Ok(Job::alone(job))
    }

    /// One of its logs; none while no runner has taken the job.
    fn open_log(&self, ctx: &Context<'_>, log: LogName) -> Result<Option<OpenLog>> {
        if self.row.runner.is_none() {
            return Ok(None);
        }
        let asked = ctx.data::<Asked>()?;
        asked.farm.log_of(&asked.caller, &self.row, log).map(Some).map_err(of_field)
    }
}

#[Object]
impl Job {
    async fn id(&self) -> i64 {
        self.row.id.0
    }

    async fn created(&self) -> Time {
        Time(self.row.created)
    }

    async fn updated(&self) -> Time {
        Time(self.row.updated)
    }

    async fn status(&self) -> JobStatus {
        self.row.status.into()
    }

    async fn manifest(&self, ctx: &Context<'_>) -> Result<&str> {
        let manifest = self.together.manifest(ctx, self.row.id).await?;
        ctx.data::<Asked>()?.sizes.count_bytes(manifest.len()).map_err(of_field)?;
        Ok(manifest)
    }

    async fn note(&self) -> Option<&str> {
        self.row.note.as_deref()
    }

    async fn tags(&self) -> &[String] {
        &self.row.tags
    }

    async fn visibility(&self) -> Visibility {
        self.row.visibility.into()
    }

    async fn image(&self) -> &str {
        self.row.image.as_deref().unwrap_or_default()
    }

    /// Null while no runner has taken the job.
    async fn runner(&self) -> Option<&str> {
        self.row.runner.as_deref()
    }

    #[graphql(directive = access::apply(AccessScope::Profile, AccessKind::Ro))]
    async fn owner(&self) -> Entity {
        Entity::User(User::Owner { id: self.row.owner, name: self.row.owner_name.clone() })
    }

    async fn group(&self, ctx: &Context<'_>) -> Result<Option<JobGroup>> {
        let Some(number) = self.row.group else { return Ok(None) };
        let together = self.together.groups(ctx).await?;
        Ok(JobGroup::among(together, number, self.row.owner_name.clone()))
    }

    /// In the order of the manifest.
    async fn tasks(&self, ctx: &Context<'_>) -> Result<Vec<Task>> {
        let steps = self.together.steps(ctx, self.row.id).await?;
        Ok(steps.iter().map(|step| Task { step: step.clone(), job: self.clone() }).collect())
    }

    async fn artifacts(&self, ctx: &Context<'_>) -> Result<Vec<Artifact>> {
        let files = self.together.artifacts(ctx, self.row.id).await?;
        Ok(files.iter().cloned().map(Artifact).collect())
    }

    /// What happened around the tasks. Null while no runner has taken the job.
    #[graphql(directive = access::apply(AccessScope::Logs, AccessKind::Ro))]
    async fn log(&self, ctx: &Context<'_>) -> Result<Option<Log>> {
        let Some(open) = self.open_log(ctx, LogName::Setup)? else { return Ok(None) };
        let url = setup_url(&ctx.data::<Asked>()?.farm, self.row.id);
        Ok(Some(Log { open, url }))
    }

    /// Null when secrets were disabled for the job, and for everybody but its owner.
    #[graphql(directive = access::apply(AccessScope::Secrets, AccessKind::Ro))]
    async fn secrets(&self, ctx: &Context<'_>) -> Result<Option<Vec<Secret>>> {
        let asked = ctx.data::<Asked>()?;
        if !self.row.secrets || !rights::owns(&asked.caller, self.row.owner) {
            return Ok(None);
        }
        let limits = ManifestLimits { bytes: usize::MAX, ..ManifestLimits::default() };
        match manifest::parse(self.together.manifest(ctx, self.row.id).await?, &limits) {
            Ok(manifest) if manifest.secrets.is_empty() => Ok(Some(vec![])),
            _ => Err(JOB_SECRETS.error()),
        }
    }
}

/// Part of a list of jobs, newest first.
pub(crate) struct JobCursor {
    together: Arc<Together>,
    next: Option<i64>,
}

impl JobCursor {
    pub(super) async fn read(
        ctx: &Context<'_>,
        query: JobQuery,
        cursor: Option<Cursor>,
    ) -> Result<JobCursor> {
        let asked = ctx.data::<Asked>()?;
        let before = cursor.map(|cursor| cursor.number()).transpose().map_err(of_field)?;
        let page = asked.farm.jobs(&asked.caller, query, before, PAGE).await.map_err(of_field)?;
        let together = Together::new(page.items.into_iter().map(Arc::new).collect());
        Ok(JobCursor { together, next: page.next })
    }
}

#[Object]
impl JobCursor {
    async fn results(&self) -> Vec<Job> {
        Job::all(self.together.clone()).collect()
    }

    /// Null at the end.
    async fn cursor(&self) -> Option<Cursor> {
        self.next.map(Cursor::before)
    }
}

/// A step of a job.
pub(crate) struct Task {
    step: job::Step,
    job: Job,
}

#[Object]
impl Task {
    async fn id(&self) -> i64 {
        self.step.id.0
    }

    async fn created(&self) -> Time {
        Time(self.job.row.created)
    }

    async fn updated(&self) -> Time {
        Time(self.step.ended.or(self.step.started).unwrap_or(self.job.row.created))
    }

    async fn name(&self) -> &str {
        &self.step.name
    }

    async fn status(&self) -> TaskStatus {
        self.step.status.into()
    }

    /// Null while no runner has taken the job.
    #[graphql(directive = access::apply(AccessScope::Logs, AccessKind::Ro))]
    async fn log(&self, ctx: &Context<'_>) -> Result<Option<Log>> {
        let position = u32::try_from(self.step.position).map_err(|error| of_field(Error::internal(error)))?;
        let Some(open) = self.job.open_log(ctx, LogName::Step(position))? else { return Ok(None) };
        let url = task_url(&ctx.data::<Asked>()?.farm, self.job.row.id, &self.step.name);
        Ok(Some(Log { open, url }))
    }

    async fn job(&self) -> Job {
        self.job.clone()
    }
}

/// A file that a job published.
pub(crate) struct Artifact(port::Artifact);

#[Object]
impl Artifact {
    async fn id(&self) -> i64 {
        self.0.id.0
    }

    async fn created(&self) -> Time {
        Time(self.0.created)
    }

    /// Path of the file inside the guest.
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// Bytes.
    async fn size(&self) -> u64 {
        self.0.size
    }

    /// Download URL; null once pruned.
    async fn url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(ctx.data::<Asked>()?.farm.artifact_url(&self.0))
    }
}
