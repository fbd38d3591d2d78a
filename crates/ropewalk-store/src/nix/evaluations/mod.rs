//! Evaluations.

pub(super) mod due;
pub(super) mod ended;
pub(super) mod looks;
pub(super) mod read;
pub(super) mod resolve;
pub(super) mod take;

use crate::SqlStore;
use crate::db::Row;
use async_trait::async_trait;
use ropewalk_core::port::{
    Counts, DueJobset, EndedEvaluation, Evaluations, NewEvaluation, Resolved, StoreError, TakeOver, Wanted,
};
use ropewalk_model::ids::JobId;
use ropewalk_model::time::Time;
use std::collections::{BTreeSet, HashMap};

/// No build of evaluation `e` is unfinished. The question begins at the unfinished builds of its jobset: where there
/// are none it is answered at once, however many builds the evaluation has.
pub(super) const FINISHED: &str = "NOT EXISTS (SELECT 1 FROM nix_builds u
    JOIN nix_evaluation_builds n ON n.build = u.job
    WHERE u.jobset = e.jobset AND NOT u.finished AND n.evaluation = e.id)";

pub(super) use crate::db::numbered;

/// Adds up rows of id, finished, status and number of builds.
pub(super) fn sum(rows: &[Row]) -> Result<HashMap<i64, Counts>, StoreError> {
    let mut counts = HashMap::<i64, Counts>::new();
    for row in rows {
        let sum = counts.entry(row.get("id")?).or_default();
        let builds: i64 = row.get("builds")?;
        match (row.get::<bool>("finished")?, row.get::<Option<i64>>("status")?) {
            (false, _) => sum.scheduled += builds,
            (true, Some(0)) => sum.succeeded += builds,
            (true, _) => sum.failed += builds,
        }
    }
    Ok(counts)
}

#[async_trait]
impl Evaluations for SqlStore {
    async fn due_jobsets(&self, at_once: u32) -> Result<Vec<DueJobset>, StoreError> {
        self.db.read("look for jobsets that are due", (self.now(), at_once), due::due).await
    }

    async fn start_evaluation(&self, new: NewEvaluation) -> Result<Option<JobId>, StoreError> {
        self.db.write(due::START, (self.now(), new), due::start).await
    }

    async fn refuse_evaluation(
        &self,
        jobset: i64,
        triggered: Option<Time>,
        why: &str,
    ) -> Result<(), StoreError> {
        self.db.write(due::REFUSE, (self.now(), jobset, triggered, why.to_owned()), due::refuse).await
    }

    async fn evaluating(&self, jobset: i64) -> Result<Option<JobId>, StoreError> {
        due::evaluating(&self.db, jobset).await
    }

    async fn ended_evaluations(&self, limit: u32) -> Result<Vec<EndedEvaluation>, StoreError> {
        self.db.read("look for evaluations that ended", limit, ended::ended).await
    }

    async fn failed_before(&self, drv_paths: Vec<String>) -> Result<BTreeSet<String>, StoreError> {
        let input = (self.now().0, drv_paths);
        self.db.read("look for remembered failures", input, ended::failed_before).await
    }

    async fn take_over(&self, take: TakeOver) -> Result<bool, StoreError> {
        self.db.write(take::TAKE, (self.now(), take), take::take).await
    }

    async fn forget_looks(&self, keep: u32, limit: u32) -> Result<u64, StoreError> {
        self.db.write(looks::FORGET, (keep, limit), looks::forget).await
    }

    async fn resolve(&self, wanted: Wanted) -> Result<Option<Resolved>, StoreError> {
        self.db.read("look up what an input names", wanted, resolve::resolve).await
    }
}
