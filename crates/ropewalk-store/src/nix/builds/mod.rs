//! Builds.

mod change;
mod histories;
mod lists;
mod logs;
mod narrowed;
mod read;
mod roots;
pub(super) mod settle;
mod unserved;

pub(super) use change::reopen;

use super::evaluations::read as evaluations;
use crate::SqlStore;
use crate::db::Channel;
use async_trait::async_trait;
use ropewalk_core::nix::Projection;
use ropewalk_core::port::{
    BriefBuild, Build, BuildFilter, Builds, Counts, DerivationAttempt, EndedBuild, EvaluationRow, Failure,
    MeasuredBuild, StoreError,
};
use ropewalk_model::ids::{JobId, WorkId};
use ropewalk_model::nix::Metric;
use ropewalk_model::time::Time;
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::time::Duration;

#[async_trait]
impl Builds for SqlStore {
    async fn ended_builds(&self, limit: u32) -> Result<Vec<EndedBuild>, StoreError> {
        self.db.read("look for builds that ended", limit, settle::ended).await
    }

    async fn settle_builds(
        &self,
        ends: Vec<(JobId, i32, Projection)>,
        failures: Vec<Failure>,
    ) -> Result<(), StoreError> {
        self.db.write(settle::SETTLE, (ends, failures), settle::settle_all).await
    }

    fn jobs_changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.db.woken(Channel::Events))
    }

    async fn builds(&self, ids: &[i64]) -> Result<Vec<Build>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        self.db.read("look up builds", ids.to_vec(), read::by_ids).await
    }

    async fn brief_builds(&self, ids: &[i64]) -> Result<Vec<BriefBuild>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        self.db.read("look up builds", ids.to_vec(), read::brief).await
    }

    async fn builds_of_evaluation(
        &self,
        evaluation: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        lists::of_evaluation(&self.db, evaluation, after, limit).await
    }

    async fn build_of_evaluation(&self, evaluation: i64, job: &str) -> Result<Option<i64>, StoreError> {
        lists::of_evaluation_by_job(&self.db, evaluation, job).await
    }

    async fn newest_builds(
        &self,
        filter: &BuildFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        self.db.read("list builds", (filter.clone(), before, limit), histories::newest_of).await
    }

    async fn latest_finished(&self, filter: &BuildFilter) -> Result<Option<i64>, StoreError> {
        self.db.read("look for the latest build", filter.clone(), histories::latest_finished).await
    }

    async fn constituents(&self, aggregate: i64) -> Result<Vec<i64>, StoreError> {
        lists::constituents(&self.db, aggregate).await
    }

    async fn build_queue(&self, limit: u32) -> Result<Vec<i64>, StoreError> {
        lists::queue(&self.db, limit).await
    }

    async fn queue_by_priority(&self, limit: u32) -> Result<Vec<i64>, StoreError> {
        lists::queue_by_priority(&self.db, limit).await
    }

    async fn open_builds_of(&self, evaluation: i64) -> Result<Vec<i64>, StoreError> {
        lists::open_of(&self.db, evaluation).await
    }

    async fn open_builds(&self) -> Result<u64, StoreError> {
        lists::open(&self.db).await
    }

    async fn running_builds(&self, limit: u32) -> Result<Vec<i64>, StoreError> {
        lists::running(&self.db, limit).await
    }

    async fn find_by_output(&self, text: &str, limit: u32) -> Result<Vec<i64>, StoreError> {
        lists::by_output(&self.db, text, limit).await
    }

    async fn find_by_drv(&self, text: &str, limit: u32) -> Result<Vec<i64>, StoreError> {
        lists::by_drv(&self.db, text, limit).await
    }

    async fn jobset_counts(&self, jobsets: &[i64]) -> Result<HashMap<i64, Counts>, StoreError> {
        lists::jobset_counts(&self.db, jobsets).await
    }

    async fn evaluation(&self, id: i64) -> Result<Option<EvaluationRow>, StoreError> {
        self.db.read("look up an evaluation", id, evaluations::by_id).await
    }

    async fn count_evaluations(&self, jobset: i64) -> Result<i64, StoreError> {
        evaluations::count(&self.db, jobset).await
    }

    async fn evaluations(
        &self,
        jobset: i64,
        from: i64,
        limit: u32,
    ) -> Result<Vec<EvaluationRow>, StoreError> {
        self.db.read("list evaluations", (jobset, from, limit), evaluations::of_jobset).await
    }

    async fn newest_evaluations(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<EvaluationRow>, StoreError> {
        let input = (before.unwrap_or(i64::MAX), limit);
        self.db.read("list evaluations", input, evaluations::newest).await
    }

    async fn latest_evaluation(&self, jobset: i64) -> Result<Option<i64>, StoreError> {
        evaluations::latest(&self.db, jobset).await
    }

    async fn latest_evaluation_of_build(&self, build: i64) -> Result<Option<i64>, StoreError> {
        evaluations::latest_of_build(&self.db, build).await
    }

    async fn evaluation_counts(&self, ids: &[i64]) -> Result<HashMap<i64, Counts>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        self.db.read("count the builds of evaluations", ids.to_vec(), evaluations::counts).await
    }

    async fn builds_with_status(&self, evaluation: i64, statuses: &[i64]) -> Result<Vec<i64>, StoreError> {
        lists::with_status(&self.db, evaluation, statuses).await
    }

    async fn derivation_attempts(&self, drv: &str) -> Result<Vec<DerivationAttempt>, StoreError> {
        self.db.read("look up the tries at a derivation", drv.to_owned(), logs::attempts).await
    }

    async fn metric_history(
        &self,
        filter: &BuildFilter,
        metric: &str,
        limit: u32,
    ) -> Result<Vec<(i64, Time, Metric)>, StoreError> {
        let input = (filter.clone(), metric.to_owned(), limit);
        self.db.read("list values of a metric", input, histories::metric_history).await
    }

    async fn measured_builds(
        &self,
        filter: &BuildFilter,
        limit: u32,
    ) -> Result<Vec<MeasuredBuild>, StoreError> {
        self.db.read("list what builds took", (filter.clone(), limit), histories::measured).await
    }

    async fn count_builds(
        &self,
        filter: &BuildFilter,
        from: Time,
        width: Duration,
    ) -> Result<BTreeMap<i64, u64>, StoreError> {
        let width = i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1);
        self.db.read("count builds by time", (filter.clone(), from, width), histories::counted).await
    }

    async fn restart_builds(&self, builds: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.db.write(change::RESTART, (self.now(), builds.to_vec()), change::restart).await
    }

    async fn cancel_builds(&self, builds: &[i64]) -> Result<usize, StoreError> {
        self.db.write(change::CANCEL, (self.now(), builds.to_vec()), change::cancel).await
    }

    async fn bump_builds(&self, builds: &[i64]) -> Result<(), StoreError> {
        self.db.write(change::BUMP, (self.now(), builds.to_vec()), change::bump).await
    }

    async fn keep_build(&self, build: i64, keep: bool) -> Result<(), StoreError> {
        self.db.write(change::KEEP, (build, keep), change::keep).await
    }

    async fn unserved(&self, after: Duration, limit: u32) -> Result<Vec<(WorkId, String)>, StoreError> {
        let input = (self.now(), after, limit);
        self.db.read("look for works that nobody can serve", input, unserved::unserved).await
    }

    async fn forget_failures(&self, all: bool) -> Result<u64, StoreError> {
        self.db.write(change::FORGET, (self.now(), all), change::forget).await
    }

    async fn wanted_paths(&self) -> Result<Vec<String>, StoreError> {
        self.db.read("list what must stay in the Nix store", (), roots::wanted).await
    }
}
