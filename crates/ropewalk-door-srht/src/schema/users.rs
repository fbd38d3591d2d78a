//! Accounts.

use super::jobs::JobCursor;
use super::scalars::{Cursor, Time};
use crate::access::{AccessKind, AccessScope, access};
use crate::answer::of_field;
use crate::query::Asked;
use async_graphql::{Context, Interface, Object, Result};
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::port;
use ropewalk_model::ids::UserId;
use ropewalk_model::job::{JobKind, Visibility};
use std::sync::Arc;

/// Whom things belong to.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "i64"),
    field(name = "created", ty = "Time"),
    field(name = "updated", ty = "Time"),
    field(name = "canonical_name", ty = "String", desc = "For users: '~' followed by the username")
)]
pub(crate) enum Entity {
    User(User),
}

/// An account: its row, or what a job says of its owner.
#[derive(Clone, Debug)]
pub(crate) enum User {
    Row(Arc<port::User>),
    Owner { id: UserId, name: String },
}

impl User {
    fn name(&self) -> &str {
        match self {
            User::Row(user) => &user.name,
            User::Owner { name, .. } => name,
        }
    }

    fn number(&self) -> UserId {
        match self {
            User::Row(user) => user.id,
            User::Owner { id, .. } => *id,
        }
    }

    async fn row(&self, ctx: &Context<'_>) -> Result<Arc<port::User>> {
        match self {
            User::Row(user) => Ok(user.clone()),
            User::Owner { id, .. } => Ok(ctx.data::<Asked>()?.profile(*id).await.map_err(of_field)?),
        }
    }
}

#[Object]
impl User {
    async fn id(&self) -> i64 {
        self.number().0
    }

    async fn created(&self, ctx: &Context<'_>) -> Result<Time> {
        Ok(Time(self.row(ctx).await?.created))
    }

    async fn updated(&self, ctx: &Context<'_>) -> Result<Time> {
        Ok(Time(self.row(ctx).await?.updated))
    }

    async fn canonical_name(&self) -> String {
        format!("~{}", self.name())
    }

    async fn username(&self) -> &str {
        self.name()
    }

    async fn email(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(self.row(ctx).await?.email.clone())
    }

    async fn url(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.row(ctx).await?.url.clone())
    }

    async fn location(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.row(ctx).await?.location.clone())
    }

    async fn bio(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        Ok(self.row(ctx).await?.bio.clone())
    }

    /// Jobs of this account: the caller's own, or those of others that are public.
    #[graphql(directive = access::apply(AccessScope::Jobs, AccessKind::Ro))]
    async fn jobs(&self, ctx: &Context<'_>, cursor: Option<Cursor>) -> Result<JobCursor> {
        let is_own = ctx.data::<Asked>()?.caller.user().is_some_and(|user| user.id == self.number());
        let query = JobQuery {
            owner: Some(self.name().into()),
            kind: Some(JobKind::Srht),
            visibility: (!is_own).then_some(Visibility::Public),
            status: None,
        };
        JobCursor::read(ctx, query, cursor).await
    }
}
