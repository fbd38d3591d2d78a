//! Groups of jobs.

use super::jobs::Job;
use super::scalars::Time;
use super::triggers::Trigger;
use super::users::{Entity, User};
use crate::access::{AccessKind, AccessScope, access};
use crate::answer::of_field;
use crate::query::Asked;
use async_graphql::{Context, Object, Result};
use ropewalk_core::port;

pub(crate) struct JobGroup {
    group: port::Group,
    owner_name: String,
}

impl JobGroup {
    /// All jobs of a group have its owner, so each of them knows the name.
    pub(super) fn new(group: port::Group, owner_name: String) -> JobGroup {
        JobGroup { group, owner_name }
    }
}

#[Object]
impl JobGroup {
    async fn id(&self) -> i64 {
        self.group.id.0
    }

    async fn created(&self) -> Time {
        Time(self.group.created)
    }

    async fn note(&self) -> Option<&str> {
        self.group.note.as_deref()
    }

    #[graphql(directive = access::apply(AccessScope::Profile, AccessKind::Ro))]
    async fn owner(&self) -> Entity {
        Entity::User(User::Owner { id: self.group.owner, name: self.owner_name.clone() })
    }

    /// Its owner sees all of them, others those that are public.
    async fn jobs(&self, ctx: &Context<'_>) -> Result<Vec<Job>> {
        let asked = ctx.data::<Asked>()?;
        let jobs = asked.farm.group_jobs(&asked.caller, &self.group).await.map_err(of_field)?;
        Ok(jobs.into_iter().map(Job::new).collect())
    }

    /// For its owner only: they hold addresses.
    async fn triggers(&self) -> Vec<Trigger> {
        self.group.triggers.iter().cloned().map(Trigger::from).collect()
    }
}
