//! Jobs, their tasks and files.

use super::groups::JobGroup;
use super::logs::Log;
use super::scalars::{Cursor, JobStatus, TaskStatus, Time, Visibility};
use super::secrets::Secret;
use super::users::{Entity, User};
use crate::access::{AccessKind, AccessScope, access};
use crate::answer::of_field;
use crate::logs::{setup_url, task_url};
use crate::query::Asked;
use crate::unbuilt::JOB_SECRETS;
use async_graphql::{Context, Object, Result};
use ropewalk_core::access as rights;
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::port::{self, Page};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{self, JobKind};
use ropewalk_model::link::LogName;
use ropewalk_model::manifest::{self, ManifestLimits};
use std::sync::Arc;

/// Items of one part of a list.
pub(super) const PAGE: u32 = 25;

#[derive(Clone, Debug)]
pub(crate) struct Job(pub(crate) Arc<job::Job>);

impl Job {
    pub(super) fn new(job: job::Job) -> Job {
        Job(Arc::new(job))
    }

    /// A builds.sr.ht job that the caller may know of.
    pub(super) async fn find(ctx: &Context<'_>, number: i64) -> Result<Job> {
        let asked = ctx.data::<Asked>()?;
        let job = asked.farm.job_of(&asked.caller, JobKind::Srht, JobId(number)).await.map_err(of_field)?;
        Ok(Job::new(job))
    }

    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<job::Step>> {
        let asked = ctx.data::<Asked>()?;
        asked.farm.steps(&asked.caller, self.0.id).await.map_err(of_field)
    }
}

#[Object]
impl Job {
    async fn id(&self) -> i64 {
        self.0.id.0
    }

    async fn created(&self) -> Time {
        Time(self.0.created)
    }

    async fn updated(&self) -> Time {
        Time(self.0.updated)
    }

    async fn status(&self) -> JobStatus {
        self.0.status.into()
    }

    async fn manifest(&self, ctx: &Context<'_>) -> Result<&str> {
        ctx.data::<Asked>()?.sizes.count_bytes(self.0.manifest.len()).map_err(of_field)?;
        Ok(&self.0.manifest)
    }

    async fn note(&self) -> Option<&str> {
        self.0.note.as_deref()
    }

    async fn tags(&self) -> &[String] {
        &self.0.tags
    }

    async fn visibility(&self) -> Visibility {
        self.0.visibility.into()
    }

    async fn image(&self) -> &str {
        self.0.image.as_deref().unwrap_or_default()
    }

    /// Null while no runner has taken the job.
    async fn runner(&self) -> Option<&str> {
        self.0.runner.as_deref()
    }

    #[graphql(directive = access::apply(AccessScope::Profile, AccessKind::Ro))]
    async fn owner(&self) -> Entity {
        Entity::User(User::Owner { id: self.0.owner, name: self.0.owner_name.clone() })
    }

    async fn group(&self, ctx: &Context<'_>) -> Result<Option<JobGroup>> {
        let asked = ctx.data::<Asked>()?;
        let group = asked.farm.group_of(&asked.caller, &self.0).await.map_err(of_field)?;
        Ok(group.map(|group| JobGroup::new(group, self.0.owner_name.clone())))
    }

    /// In the order of the manifest.
    async fn tasks(&self, ctx: &Context<'_>) -> Result<Vec<Task>> {
        let steps = self.steps(ctx).await?;
        Ok(steps.into_iter().map(|step| Task { step, job: self.clone() }).collect())
    }

    async fn artifacts(&self, ctx: &Context<'_>) -> Result<Vec<Artifact>> {
        let asked = ctx.data::<Asked>()?;
        let files = asked.farm.artifacts(&asked.caller, self.0.id).await.map_err(of_field)?;
        Ok(files.into_iter().map(Artifact).collect())
    }

    /// What happened around the tasks. Null while no runner has taken the job.
    #[graphql(directive = access::apply(AccessScope::Logs, AccessKind::Ro))]
    async fn log(&self, ctx: &Context<'_>) -> Result<Option<Log>> {
        if self.0.runner.is_none() {
            return Ok(None);
        }
        let asked = ctx.data::<Asked>()?;
        let open = asked.farm.open_log(&asked.caller, self.0.id, LogName::Setup).await.map_err(of_field)?;
        Ok(Some(Log { open, url: setup_url(&asked.farm, self.0.id) }))
    }

    /// Null when secrets were disabled for the job, and for everybody but its owner.
    #[graphql(directive = access::apply(AccessScope::Secrets, AccessKind::Ro))]
    async fn secrets(&self, ctx: &Context<'_>) -> Result<Option<Vec<Secret>>> {
        let asked = ctx.data::<Asked>()?;
        if !self.0.secrets || !rights::owns(&asked.caller, self.0.owner) {
            return Ok(None);
        }
        let limits = ManifestLimits { bytes: usize::MAX, ..ManifestLimits::default() };
        match manifest::parse(&self.0.manifest, &limits) {
            Ok(manifest) if manifest.secrets.is_empty() => Ok(Some(vec![])),
            _ => Err(JOB_SECRETS.error()),
        }
    }
}

/// Part of a list of jobs, newest first.
pub(crate) struct JobCursor(Page<job::Job>);

impl JobCursor {
    pub(super) async fn read(
        ctx: &Context<'_>,
        query: JobQuery,
        cursor: Option<Cursor>,
    ) -> Result<JobCursor> {
        let asked = ctx.data::<Asked>()?;
        let before = cursor.map(|cursor| cursor.number()).transpose().map_err(of_field)?;
        let page = asked.farm.jobs(&asked.caller, query, before, PAGE).await.map_err(of_field)?;
        Ok(JobCursor(page))
    }
}

#[Object]
impl JobCursor {
    async fn results(&self) -> Vec<Job> {
        self.0.items.iter().cloned().map(Job::new).collect()
    }

    /// Null at the end.
    async fn cursor(&self) -> Option<Cursor> {
        self.0.next.map(Cursor::before)
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
        Time(self.job.0.created)
    }

    async fn updated(&self) -> Time {
        Time(self.step.ended.or(self.step.started).unwrap_or(self.job.0.created))
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
        if self.job.0.runner.is_none() {
            return Ok(None);
        }
        let (asked, job) = (ctx.data::<Asked>()?, self.job.0.id);
        let open = asked.farm.open_step_log(&asked.caller, job, &self.step.name).await.map_err(of_field)?;
        Ok(Some(Log { open, url: task_url(&asked.farm, job, &self.step.name) }))
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
