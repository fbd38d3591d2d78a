//! What can be done.

use super::groups::JobGroup;
use super::jobs::{Artifact, Job};
use super::scalars::{File, JobStatus, TaskStatus, Visibility};
use super::secrets::Secret;
use super::triggers::TriggerInput;
use super::webhooks::{UserWebhookInput, WebhookSubscription};
use crate::access::{AccessKind, AccessScope, access, internal, worker};
use crate::answer::of_field;
use crate::query::Asked;
use crate::unbuilt;
use async_graphql::{Context, Object, Result};
use ropewalk_core::groups::GroupWish;
use ropewalk_core::submit::Request;
use ropewalk_model::ids::{GroupId, JobId};
use ropewalk_model::job;

pub(crate) struct Mutation;

/// A group as its owner sees it.
fn own_group(asked: &Asked, group: ropewalk_core::port::Group) -> JobGroup {
    let owner_name = asked.caller.user().map(|user| user.name.clone()).unwrap_or_default();
    JobGroup::alone(group, owner_name)
}

#[Object]
impl Mutation {
    /// Ends a job.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Rw))]
    async fn cancel(&self, ctx: &Context<'_>, job_id: i64) -> Result<Option<Job>> {
        let number = Job::find(ctx, job_id).await?.row.id;
        let asked = ctx.data::<Asked>()?;
        let job = asked.farm.cancel(&asked.caller, number).await.map_err(of_field)?;
        Ok(Some(Job::alone(job)))
    }

    #[graphql(directive = worker::apply())]
    async fn claim(&self, _job_id: i64) -> Result<Option<Job>> {
        Err(unbuilt::CLAIM.error())
    }

    #[graphql(directive = worker::apply())]
    async fn create_artifact(
        &self,
        _job_id: i64,
        _path: String,
        _contents: File,
    ) -> Result<Option<Artifact>> {
        Err(unbuilt::CREATE_ARTIFACT.error())
    }

    /// Makes a group of the caller's pending jobs and, unless told otherwise, queues them.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Rw))]
    async fn create_group(
        &self,
        ctx: &Context<'_>,
        job_ids: Vec<i64>,
        triggers: Option<Vec<TriggerInput>>,
        execute: Option<bool>,
        note: Option<String>,
    ) -> Result<JobGroup> {
        if triggers.is_some_and(|triggers| !triggers.is_empty()) {
            return Err(unbuilt::GROUP_TRIGGERS.error());
        }
        let asked = ctx.data::<Asked>()?;
        let jobs = job_ids.into_iter().map(JobId).collect();
        let wish = GroupWish { jobs, triggers: vec![], note, execute: execute.unwrap_or(true) };
        let group = asked.farm.create_group(&asked.caller, wish).await.map_err(of_field)?;
        Ok(own_group(asked, group))
    }

    async fn create_user_webhook(&self, _config: UserWebhookInput) -> Result<WebhookSubscription> {
        Err(unbuilt::CREATE_USER_WEBHOOK.error())
    }

    #[graphql(directive = internal::apply())]
    async fn delete_user(&self) -> Result<i64> {
        Err(unbuilt::DELETE_USER.error())
    }

    async fn delete_user_webhook(&self, _id: i64) -> Result<WebhookSubscription> {
        Err(unbuilt::DELETE_USER_WEBHOOK.error())
    }

    #[graphql(directive = access::apply(AccessScope::Secrets, AccessKind::Rw))]
    async fn share_secret(&self, _uuid: String, _user: String) -> Result<Secret> {
        Err(unbuilt::SHARE_SECRET.error())
    }

    /// Queues a pending job.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Rw))]
    async fn start(&self, ctx: &Context<'_>, #[graphql(name = "jobID")] job_id: i64) -> Result<Option<Job>> {
        let number = Job::find(ctx, job_id).await?.row.id;
        let asked = ctx.data::<Asked>()?;
        let job = asked.farm.start(&asked.caller, number).await.map_err(of_field)?;
        Ok(Some(Job::alone(job)))
    }

    /// Queues the pending jobs of a group.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Rw))]
    async fn start_group(&self, ctx: &Context<'_>, group_id: i64) -> Result<Option<JobGroup>> {
        let asked = ctx.data::<Asked>()?;
        let group = asked.farm.start_group(&asked.caller, GroupId(group_id)).await.map_err(of_field)?;
        Ok(Some(own_group(asked, group)))
    }

    /// Makes a job of a manifest and, unless told otherwise, queues it.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Rw))]
    #[allow(clippy::too_many_arguments, reason = "they are the schema's")]
    async fn submit(
        &self,
        ctx: &Context<'_>,
        manifest: String,
        tags: Option<Vec<String>>,
        note: Option<String>,
        secrets: Option<bool>,
        execute: Option<bool>,
        visibility: Option<Visibility>,
    ) -> Result<Job> {
        let asked = ctx.data::<Asked>()?;
        let request = Request {
            manifest,
            note,
            tags: tags.unwrap_or_default(),
            visibility: visibility.map_or(job::Visibility::Unlisted, Into::into),
            secrets,
            execute: execute.unwrap_or(true),
        };
        Ok(Job::alone(asked.farm.submit(&asked.caller, request).await.map_err(of_field)?))
    }

    /// Replaces visibility and, if given, tags.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Rw))]
    async fn update(
        &self,
        ctx: &Context<'_>,
        job_id: i64,
        visibility: Visibility,
        tags: Option<Vec<String>>,
    ) -> Result<Option<Job>> {
        let number = Job::find(ctx, job_id).await?.row.id;
        let asked = ctx.data::<Asked>()?;
        let job =
            asked.farm.update(&asked.caller, number, visibility.into(), tags).await.map_err(of_field)?;
        Ok(Some(Job::alone(job)))
    }

    #[graphql(directive = worker::apply())]
    async fn update_job(&self, _job_id: i64, _status: JobStatus) -> Result<Option<Job>> {
        Err(unbuilt::UPDATE_JOB.error())
    }

    #[graphql(directive = worker::apply())]
    async fn update_task(&self, _task_id: i64, _status: TaskStatus) -> Result<Option<Job>> {
        Err(unbuilt::UPDATE_TASK.error())
    }
}
