//! What was found together is asked about together: one question of the store for all jobs of a level of an answer,
//! however many they are and however often the document asks.

use crate::answer::of_field;
use crate::query::Asked;
use async_graphql::{Context, Result};
use ropewalk_core::error::Error;
use ropewalk_core::port::{Artifact, Group};
use ropewalk_model::ids::{GroupId, JobId};
use ropewalk_model::job::{Job, Step};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The answer to a question that many fields have and that is asked once.
type Once<T> = OnceCell<Result<T, Error>>;

fn known<T>(answer: &Result<T, Error>) -> Result<&T> {
    answer.as_ref().map_err(|error| of_field(error.clone()))
}

/// Jobs of one level of an answer, and what is known of them so far.
#[derive(Debug, Default)]
pub(super) struct Together {
    jobs: Vec<Arc<Job>>,
    manifests: Once<HashMap<JobId, String>>,
    steps: Once<HashMap<JobId, Vec<Step>>>,
    artifacts: Once<HashMap<JobId, Vec<Artifact>>>,
    groups: Once<Arc<GroupsTogether>>,
}

impl Together {
    pub(super) fn new(jobs: Vec<Arc<Job>>) -> Arc<Together> {
        Arc::new(Together { jobs, ..Together::default() })
    }

    pub(super) fn jobs(&self) -> &[Arc<Job>] {
        &self.jobs
    }

    /// Only what selects it has it read.
    pub(super) async fn manifest(&self, ctx: &Context<'_>, job: JobId) -> Result<&str> {
        let asked = ctx.data::<Asked>()?;
        let all = self.manifests.get_or_init(|| asked.farm.manifests_of(&asked.caller, &self.jobs)).await;
        Ok(known(all)?.get(&job).map(String::as_str).unwrap_or_default())
    }

    pub(super) async fn steps(&self, ctx: &Context<'_>, job: JobId) -> Result<&[Step]> {
        let asked = ctx.data::<Asked>()?;
        let all = self.steps.get_or_init(|| asked.farm.steps_of(&asked.caller, &self.jobs)).await;
        Ok(known(all)?.get(&job).map(Vec::as_slice).unwrap_or_default())
    }

    pub(super) async fn artifacts(&self, ctx: &Context<'_>, job: JobId) -> Result<&[Artifact]> {
        let asked = ctx.data::<Asked>()?;
        let all = self.artifacts.get_or_init(|| asked.farm.artifacts_of(&asked.caller, &self.jobs)).await;
        Ok(known(all)?.get(&job).map(Vec::as_slice).unwrap_or_default())
    }

    /// The groups of all these jobs.
    pub(super) async fn groups(&self, ctx: &Context<'_>) -> Result<Arc<GroupsTogether>> {
        let asked = ctx.data::<Asked>()?;
        let ask = async || {
            let groups = asked.farm.groups_of(&asked.caller, &self.jobs).await?;
            let groups = groups.into_iter().map(Arc::new).collect();
            Ok(Arc::new(GroupsTogether { groups, jobs: Once::default() }))
        };
        known(self.groups.get_or_init(ask).await).cloned()
    }
}

/// Groups of one level of an answer.
#[derive(Debug)]
pub(super) struct GroupsTogether {
    groups: Vec<Arc<Group>>,
    jobs: Once<Arc<Together>>,
}

impl GroupsTogether {
    pub(super) fn new(group: Group) -> Arc<GroupsTogether> {
        Arc::new(GroupsTogether { groups: vec![Arc::new(group)], jobs: Once::default() })
    }

    pub(super) fn find(&self, number: GroupId) -> Option<&Arc<Group>> {
        self.groups.iter().find(|group| group.id == number)
    }

    /// The members of all these groups, as far as an answer has room for them.
    pub(super) async fn jobs(&self, ctx: &Context<'_>) -> Result<Arc<Together>> {
        let asked = ctx.data::<Asked>()?;
        let most = asked.farm.settings().requests.graphql_objects;
        let ask = async || {
            let jobs = asked.farm.jobs_of_groups(&asked.caller, &self.groups, most).await?;
            Ok(Together::new(jobs.into_iter().map(Arc::new).collect()))
        };
        known(self.jobs.get_or_init(ask).await).cloned()
    }
}
