//! What can be asked.

use super::jobs::{Job, JobCursor};
use super::scalars::Cursor;
use super::secrets::SecretCursor;
use super::users::User;
use super::version::Version;
use super::webhooks::{WebhookPayload, WebhookSubscription, WebhookSubscriptionCursor};
use crate::access::{AccessKind, AccessScope, access};
use crate::answer::of_field;
use crate::query::Asked;
use crate::unbuilt::{SECRETS, USER_WEBHOOK, USER_WEBHOOKS, WEBHOOK};
use async_graphql::{Context, Object, Result};
use ropewalk_core::access as rights;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::port;
use ropewalk_model::ids::{JobId, UserId};
use ropewalk_model::job::JobKind;
use std::sync::Arc;

/// Null for what is not there.
fn found<T>(answer: Result<T, Error>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == Kind::Missing => Ok(None),
        Err(error) => Err(of_field(error)),
    }
}

pub(crate) struct Query;

#[Object]
impl Query {
    /// A job, or null if there is none that the caller may know of.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Ro))]
    async fn job(&self, ctx: &Context<'_>, id: i64) -> Result<Option<Job>> {
        let asked = ctx.data::<Asked>()?;
        let job = asked.farm.job_of(&asked.caller, JobKind::Srht, JobId(id)).await;
        Ok(found(job)?.map(Job::alone))
    }

    /// Jobs of the caller, newest first.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Ro))]
    async fn jobs(&self, ctx: &Context<'_>, cursor: Option<Cursor>) -> Result<JobCursor> {
        let owner = rights::owner(&ctx.data::<Asked>()?.caller).map_err(of_field)?.name.clone();
        let query = JobQuery { owner: Some(owner), kind: Some(JobKind::Srht), ..JobQuery::default() };
        JobCursor::read(ctx, query, cursor).await
    }

    /// The caller.
    #[graphql(directive = access::apply(AccessScope::Profile, AccessKind::Ro))]
    async fn me(&self, ctx: &Context<'_>) -> Result<User> {
        let user = rights::owner(&ctx.data::<Asked>()?.caller).map_err(of_field)?;
        Ok(User::Row(Arc::new(user.clone())))
    }

    #[graphql(directive = access::apply(AccessScope::Secrets, AccessKind::Ro))]
    async fn secrets(&self, _cursor: Option<Cursor>) -> Result<SecretCursor> {
        Err(SECRETS.error())
    }

    #[graphql(name = "userByID", directive = access::apply(AccessScope::Profile, AccessKind::Ro))]
    async fn user_by_id(&self, ctx: &Context<'_>, id: i64) -> Result<Option<User>> {
        let asked = ctx.data::<Asked>()?;
        Ok(found(asked.profile(UserId(id)).await)?.map(User::Row))
    }

    #[graphql(directive = access::apply(AccessScope::Profile, AccessKind::Ro))]
    async fn user_by_name(&self, ctx: &Context<'_>, username: String) -> Result<Option<User>> {
        let asked = ctx.data::<Asked>()?;
        let user: Result<port::User, Error> = asked.farm.profile_named(&asked.caller, &username).await;
        Ok(found(user)?.map(|user| User::Row(Arc::new(user))))
    }

    async fn user_webhook(&self, _id: i64) -> Result<Option<WebhookSubscription>> {
        Err(USER_WEBHOOK.error())
    }

    async fn user_webhooks(&self, _cursor: Option<Cursor>) -> Result<WebhookSubscriptionCursor> {
        Err(USER_WEBHOOKS.error())
    }

    async fn version(&self) -> Version {
        Version
    }

    /// What the webhook that is being processed is about.
    async fn webhook(&self) -> Result<WebhookPayload> {
        Err(WEBHOOK.error())
    }
}
