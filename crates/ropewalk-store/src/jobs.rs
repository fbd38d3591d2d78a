//! Jobs, groups and what belongs to them.

mod cancel;
mod groups;
mod list;
mod place;
mod read;
mod restart;
mod submit;
mod update;
mod works;

pub(crate) use cancel::cancel as cancel_in;
pub(crate) use read::{jobs_in, numbered};
pub(crate) use restart::{reroot as reroot_in, restart as restart_in};
pub(crate) use submit::submit as submit_in;

use crate::SqlStore;
use async_trait::async_trait;
use ropewalk_core::port::{
    Artifact, AttemptSummary, Culprit, Group, JobFilter, Jobs, NewGroup, Page, StoreError, Submission,
    Submitted,
};
use ropewalk_model::event::Event;
use ropewalk_model::ids::{GroupId, JobId, UserId, WorkId};
use ropewalk_model::job::{Job, JobKind, Step, Visibility};
use ropewalk_model::status::Cause;
use std::collections::HashMap;

#[async_trait]
impl Jobs for SqlStore {
    async fn submit(&self, submission: Submission) -> Result<Submitted, StoreError> {
        self.db.write(submit::SUBMIT, (self.now(), submission), submit::submit).await
    }

    async fn start(&self, job: JobId) -> Result<(), StoreError> {
        self.db.write(submit::START, (self.now(), job), submit::start).await
    }

    async fn create_group(&self, new: NewGroup) -> Result<Group, StoreError> {
        self.db.write(groups::CREATE, (self.now(), new), groups::create).await
    }

    async fn start_group(&self, group: GroupId) -> Result<(), StoreError> {
        self.db.write(groups::START, (self.now(), group), groups::start).await
    }

    async fn groups(&self, groups: &[GroupId]) -> Result<Vec<Group>, StoreError> {
        if groups.is_empty() {
            return Ok(vec![]);
        }
        self.db.read("look up groups", groups.to_vec(), groups::read).await
    }

    async fn cancel(&self, job: JobId, cause: Cause) -> Result<bool, StoreError> {
        self.db.write(cancel::CANCEL, (self.now(), job, cause), cancel::cancel).await
    }

    async fn restart(&self, job: JobId) -> Result<(), StoreError> {
        self.db.write(restart::RESTART, (self.now(), job), restart::restart).await
    }

    async fn update(
        &self,
        job: JobId,
        visibility: Visibility,
        tags: Option<Vec<String>>,
    ) -> Result<Job, StoreError> {
        self.db.write(update::UPDATE, (self.now(), job, visibility, tags), update::update).await
    }

    async fn job(&self, job: JobId) -> Result<Option<Job>, StoreError> {
        read::job(&self.db, job).await
    }

    async fn manifests_of(&self, jobs: &[JobId]) -> Result<HashMap<JobId, String>, StoreError> {
        read::manifests(&self.db, jobs).await
    }

    async fn jobs(
        &self,
        filter: &JobFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Job>, StoreError> {
        list::jobs(&self.db, filter, before, limit).await
    }

    async fn count_jobs(&self, owner: UserId, kind: JobKind) -> Result<u64, StoreError> {
        list::count(&self.db, owner, kind).await
    }

    async fn steps_of(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<Step>>, StoreError> {
        read::steps(&self.db, jobs).await
    }

    async fn events(&self, job: JobId, after: i64, limit: u32) -> Result<Vec<Event>, StoreError> {
        read::events(&self.db, job, after, limit).await
    }

    async fn root_work(&self, job: JobId) -> Result<WorkId, StoreError> {
        read::root_work(&self.db, job).await
    }

    async fn culprit(&self, job: JobId) -> Result<Option<Culprit>, StoreError> {
        read::culprit(&self.db, job).await
    }

    async fn attempts(&self, job: JobId) -> Result<Vec<AttemptSummary>, StoreError> {
        self.db.read("list the attempts of a job", job, read::attempts).await
    }

    async fn artifacts_of(&self, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<Artifact>>, StoreError> {
        read::artifacts(&self.db, jobs).await
    }

    async fn artifact_by_link(&self, link: &str) -> Result<Option<Artifact>, StoreError> {
        read::artifact_by_link(&self.db, link).await
    }
}
