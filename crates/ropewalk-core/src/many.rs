//! What belongs to many jobs at once, with one question of the store for all of them.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{Artifact, Group, JobFilter};
use ropewalk_model::grant::{Mode, Scope};
use ropewalk_model::ids::{GroupId, JobId};
use ropewalk_model::job::{Job, Step, Visibility};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Jobs that one question of the store brings.
const AT_ONCE: u32 = 1000;

impl Farm {
    /// The steps of jobs that the caller may know of, in order. A job without any is left out.
    pub async fn steps_of(&self, by: &Caller, jobs: &[Arc<Job>]) -> Result<HashMap<JobId, Vec<Step>>, Error> {
        Ok(self.store.steps_of(&known(by, jobs)?).await?)
    }

    /// The manifests of jobs that the caller may know of.
    pub async fn manifests_of(
        &self,
        by: &Caller,
        jobs: &[Arc<Job>],
    ) -> Result<HashMap<JobId, String>, Error> {
        Ok(self.store.manifests_of(&known(by, jobs)?).await?)
    }

    /// The files of jobs that the caller may know of. A job without any is left out.
    pub async fn artifacts_of(
        &self,
        by: &Caller,
        jobs: &[Arc<Job>],
    ) -> Result<HashMap<JobId, Vec<Artifact>>, Error> {
        Ok(self.store.artifacts_of(&known(by, jobs)?).await?)
    }

    /// The groups of jobs that the caller may know of. Their triggers hold addresses: they are for the groups' owners.
    pub async fn groups_of(&self, by: &Caller, jobs: &[Arc<Job>]) -> Result<Vec<Group>, Error> {
        known(by, jobs)?;
        let numbers: BTreeSet<GroupId> = jobs.iter().filter_map(|job| job.group).collect();
        if numbers.is_empty() {
            return Ok(vec![]);
        }
        let groups = self.store.groups(&numbers.into_iter().collect::<Vec<_>>()).await?;
        let shown = |group: Group| match access::owns(by, group.owner) {
            true => group,
            false => Group { triggers: vec![], ..group },
        };
        Ok(groups.into_iter().map(shown).collect())
    }

    /// Members of groups that the caller may know of, oldest first: all of their own groups, public ones of others.
    /// At most about `most`, the newest.
    pub async fn jobs_of_groups(
        &self,
        by: &Caller,
        groups: &[Arc<Group>],
        most: usize,
    ) -> Result<Vec<Job>, Error> {
        access::holds(by, Scope::Jobs, Mode::Ro)?;
        let (own, others): (Vec<_>, Vec<_>) = groups.iter().partition(|group| access::owns(by, group.owner));
        let mut jobs = self.members(by, &own, None, most).await?;
        jobs.extend(self.members(by, &others, Some(Visibility::Public), most).await?);
        Ok(jobs)
    }

    async fn members(
        &self,
        by: &Caller,
        groups: &[&Arc<Group>],
        visibility: Option<Visibility>,
        most: usize,
    ) -> Result<Vec<Job>, Error> {
        if groups.is_empty() {
            return Ok(vec![]);
        }
        let numbers = groups.iter().map(|group| group.id).collect();
        let filter = JobFilter {
            groups: Some(numbers),
            visibility,
            seen_by: access::seen_by(by),
            ..JobFilter::default()
        };
        let (mut jobs, mut before) = (vec![], None);
        loop {
            let page = self.store.jobs(&filter, before, AT_ONCE).await?;
            jobs.extend(page.items);
            before = page.next;
            if before.is_none() || jobs.len() > most {
                jobs.reverse();
                return Ok(jobs);
            }
        }
    }
}

/// Numbers of jobs, if the caller may know of each.
fn known(by: &Caller, jobs: &[Arc<Job>]) -> Result<Vec<JobId>, Error> {
    jobs.iter().map(|job| access::seen(by, job).map(|()| job.id)).collect()
}
