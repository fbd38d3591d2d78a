//! What package builders need.

mod builds;
mod given_up;
mod logs;
mod native;
mod repo_lists;
mod repos;
mod runs;
mod targets;

use crate::SqlStore;
use async_trait::async_trait;
use ropewalk_core::arch::{BuildConfig, Cron};
use ropewalk_core::port::{
    Arch, BuildLog, DueBuild, LogFilter, Native, NewBuild, NewLog, Poll, Pool, StoreError, Target,
    TargetBuild, TargetFields, TargetFilter, TargetRuns, Window,
};
use ropewalk_model::ids::{JobId, UserId};
use ropewalk_model::time::Time;
use std::collections::HashMap;

#[async_trait]
impl Arch for SqlStore {
    async fn create_target(
        &self,
        owner: UserId,
        any_repo: bool,
        fields: TargetFields,
        archs: Vec<String>,
        next: Time,
    ) -> Result<Target, StoreError> {
        let new = targets::New { owner, any_repo, fields, archs, next };
        self.db.write(targets::CREATE, new, targets::create).await
    }

    async fn target(&self, id: i64) -> Result<Option<Target>, StoreError> {
        self.db.read("look up a target", id, targets::by_id).await
    }

    async fn targets(&self, filter: &TargetFilter, window: Window) -> Result<Vec<Target>, StoreError> {
        targets::list(&self.db, filter, window).await
    }

    async fn target_runs(&self, targets: &[i64]) -> Result<HashMap<i64, TargetRuns>, StoreError> {
        self.db.read("look up the builds of targets", targets.to_vec(), runs::of_targets).await
    }

    async fn target_builds(
        &self,
        target: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<TargetBuild>, StoreError> {
        self.db.read("list the builds of a target", (target, before, limit), runs::of_target).await
    }

    async fn update_target(
        &self,
        target: (i64, i64),
        any_repo: bool,
        fields: TargetFields,
        archs: Option<Vec<String>>,
        next: Time,
    ) -> Result<Target, StoreError> {
        let update = targets::Update { target, any_repo, fields, archs, next, now: self.now() };
        self.db.write(targets::UPDATE, update, targets::update).await
    }

    async fn delete_target(&self, id: i64) -> Result<(), StoreError> {
        self.db.write(targets::DELETE, (self.now(), id), targets::delete).await
    }

    async fn due_builds(&self, schedule: Cron, limit: u32) -> Result<Vec<DueBuild>, StoreError> {
        builds::due(&self.db, self.now(), schedule, limit).await
    }

    async fn skip_missed(&self, schedule: Cron) -> Result<u64, StoreError> {
        self.db.write(builds::SKIP, (self.now(), schedule), builds::skip_missed).await
    }

    async fn queue_build(&self, new: NewBuild) -> Result<Option<JobId>, StoreError> {
        self.db.write(builds::QUEUE, (self.now(), new), builds::queue).await
    }

    async fn poll(&self, poll: Poll) -> Result<Vec<BuildConfig>, StoreError> {
        self.db.write(builds::POLL, (self.now(), poll), builds::poll).await
    }

    async fn waiting_archs(&self, due: Time) -> Result<Vec<(String, Pool)>, StoreError> {
        native::waiting_archs(&self.db, due).await
    }

    async fn go_native(&self, native: Native) -> Result<u64, StoreError> {
        self.db.write(native::GO, native, native::go).await
    }

    async fn end_native(&self, limit: u32) -> Result<u64, StoreError> {
        native::end(&self.db, limit).await
    }

    async fn close_builds(&self, limit: u32) -> Result<u64, StoreError> {
        given_up::close(&self.db, self.now(), limit).await
    }

    async fn keep_log(&self, new: NewLog) -> Result<i64, StoreError> {
        self.db.write(logs::KEEP, (self.now(), new), logs::keep).await
    }

    async fn build_logs(&self, filter: &LogFilter, window: Window) -> Result<Vec<BuildLog>, StoreError> {
        logs::list(&self.db, filter, window).await
    }

    async fn build_log(&self, id: i64) -> Result<Option<BuildLog>, StoreError> {
        logs::by_id(&self.db, id).await
    }

    async fn delete_build_log(&self, id: i64) -> Result<bool, StoreError> {
        self.db.write(logs::DELETE, (id,), logs::delete).await
    }

    async fn forget_build_logs(&self, before: i64, limit: u32) -> Result<u64, StoreError> {
        self.db.write(logs::FORGET, (before, limit), logs::forget).await
    }
}
