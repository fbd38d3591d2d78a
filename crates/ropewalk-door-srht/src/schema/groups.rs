//! Groups of jobs.

use super::jobs::Job;
use super::scalars::Time;
use super::together::GroupsTogether;
use super::triggers::Trigger;
use super::users::{Entity, User};
use crate::access::{AccessKind, AccessScope, access};
use async_graphql::{Context, Object, Result};
use ropewalk_core::port;
use ropewalk_model::ids::GroupId;
use std::sync::Arc;

pub(crate) struct JobGroup {
    group: Arc<port::Group>,
    owner_name: String,
    together: Arc<GroupsTogether>,
}

impl JobGroup {
    /// A group by itself. All jobs of a group have its owner, so each of them knows the name.
    pub(super) fn alone(group: port::Group, owner_name: String) -> JobGroup {
        let together = GroupsTogether::new(group.clone());
        JobGroup { group: Arc::new(group), owner_name, together }
    }

    /// One of several.
    pub(super) fn among(
        together: Arc<GroupsTogether>,
        number: GroupId,
        owner_name: String,
    ) -> Option<JobGroup> {
        let group = together.find(number)?.clone();
        Some(JobGroup { group, owner_name, together })
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
        let jobs = Job::all(self.together.jobs(ctx).await?);
        Ok(jobs.filter(|job| job.row.group == Some(self.group.id)).collect())
    }

    /// For its owner only: they hold addresses.
    async fn triggers(&self) -> Vec<Trigger> {
        self.group.triggers.iter().cloned().map(Trigger::from).collect()
    }
}
