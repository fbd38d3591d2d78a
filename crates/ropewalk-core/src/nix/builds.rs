//! What people do to builds and evaluations, and what they are shown of them.

use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{BriefBuild, Build, BuildFilter, Counts, EvaluationRow, Role, StoreError};
use ropewalk_model::grant::Mode;
use ropewalk_model::ids::JobId;
use ropewalk_model::status::Cause;
use std::collections::HashMap;

/// Builds or evaluations of one answer, whatever was asked for.
pub const BUILDS_MAX: u32 = 10_000;
/// Builds that are read at once.
const BATCH: u32 = 500;

/// Which builds of an evaluation are restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// All that finished without success.
    Failed,
    /// Those that ended for reasons that were not theirs: aborted, cancelled, unsupported.
    Aborted,
}

impl Restart {
    fn statuses(self) -> &'static [i64] {
        match self {
            Restart::Failed => &[1, 2, 3, 4, 6, 7, 9, 10, 11, 12],
            Restart::Aborted => &[3, 4, 9],
        }
    }
}

impl Farm {
    /// A build.
    pub async fn nix_build(&self, by: &Caller, id: i64) -> Result<Build, Error> {
        access::projects(by, Mode::Ro)?;
        let found = self.store.builds(&[id]).await?.pop();
        found.ok_or_else(|| Error::missing(format_args!("build {id}")))
    }

    /// The newest builds below a number.
    pub async fn newest_nix_builds(
        &self,
        by: &Caller,
        filter: &BuildFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Build>, Error> {
        access::projects(by, Mode::Ro)?;
        let ids = self.store.newest_builds(filter, before, limit.min(BUILDS_MAX)).await?;
        Ok(self.store.builds(&ids).await?)
    }

    /// The same, and of each what lists show only.
    pub async fn newest_brief_builds(
        &self,
        by: &Caller,
        filter: &BuildFilter,
        limit: u32,
    ) -> Result<Vec<BriefBuild>, Error> {
        access::projects(by, Mode::Ro)?;
        let ids = self.store.newest_builds(filter, None, limit.min(BUILDS_MAX)).await?;
        Ok(self.store.brief_builds(&ids).await?)
    }

    /// The newest build; missing if there is none.
    pub async fn newest_nix_build(&self, by: &Caller, filter: &BuildFilter) -> Result<i64, Error> {
        access::projects(by, Mode::Ro)?;
        let found = self.store.newest_builds(filter, None, 1).await?.pop();
        found.ok_or_else(|| Error::missing("such build"))
    }

    /// The newest successful build of an evaluation of which nothing is unfinished; missing if there is none.
    pub async fn latest_finished_build(&self, by: &Caller, filter: &BuildFilter) -> Result<i64, Error> {
        access::projects(by, Mode::Ro)?;
        let found = self.store.latest_finished(filter).await?;
        found.ok_or_else(|| Error::missing("such build"))
    }

    /// Builds that an aggregate consists of, by the name of their job.
    pub async fn nix_constituents(&self, by: &Caller, id: i64) -> Result<Vec<Build>, Error> {
        self.known_build(by, id).await?;
        Ok(self.store.builds(&self.store.constituents(id).await?).await?)
    }

    /// Unfinished builds in the order of the queue.
    pub async fn nix_queue(&self, by: &Caller, limit: u32) -> Result<Vec<Build>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.builds(&self.store.build_queue(limit.min(BUILDS_MAX)).await?).await?)
    }

    /// Unfinished builds by priority, and of each what lists show only.
    pub async fn nix_queue_by_priority(&self, by: &Caller, limit: u32) -> Result<Vec<BriefBuild>, Error> {
        access::projects(by, Mode::Ro)?;
        let ids = self.store.queue_by_priority(limit.min(BUILDS_MAX)).await?;
        Ok(self.store.brief_builds(&ids).await?)
    }

    /// How many builds are unfinished.
    pub async fn open_nix_builds(&self, by: &Caller) -> Result<u64, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.open_builds().await?)
    }

    /// Builds that run.
    pub async fn running_nix_builds(&self, by: &Caller) -> Result<Vec<Build>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.builds(&self.store.running_builds(BUILDS_MAX).await?).await?)
    }

    /// Builds by a part of an output's path, newest first.
    pub async fn find_builds(&self, by: &Caller, text: &str, limit: u32) -> Result<Vec<Build>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.builds(&self.store.find_by_output(text, limit.min(BATCH)).await?).await?)
    }

    /// Builds by a part of their derivation's path, newest first.
    pub async fn find_builds_by_drv(&self, by: &Caller, text: &str, limit: u32) -> Result<Vec<Build>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.builds(&self.store.find_by_drv(text, limit.min(BATCH)).await?).await?)
    }

    /// How far the current builds of jobsets are.
    pub async fn jobset_counts(&self, by: &Caller, jobsets: &[i64]) -> Result<HashMap<i64, Counts>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.jobset_counts(jobsets).await?)
    }

    /// Starts a finished build again, and all that failed because of it.
    pub async fn restart_build(&self, by: &Caller, id: i64) -> Result<(), Error> {
        let build = self.operated(by, id, Role::RestartJobs).await?;
        if !build.finished {
            return Err(Error::new(Kind::Refused, format!("build {id} is not finished: nothing to restart")));
        }
        self.store.restart_builds(&[id]).await?;
        // What is there already, or cannot be, ends at once.
        self.tell_builds().await
    }

    /// Ends an unfinished build.
    pub async fn cancel_build(&self, by: &Caller, id: i64) -> Result<(), Error> {
        let build = self.operated(by, id, Role::CancelBuild).await?;
        if build.finished || !self.cancel_open(id).await? {
            return Err(Error::new(Kind::Refused, format!("build {id} is finished: nothing to cancel")));
        }
        self.tell_builds().await
    }

    /// Puts a build, and what it needs, in front of the queue.
    pub async fn bump_build(&self, by: &Caller, id: i64) -> Result<(), Error> {
        self.operated(by, id, Role::BumpToFront).await?;
        self.bump_all(&[id]).await
    }

    /// Whether the outputs of a build are kept for ever.
    pub async fn keep_build(&self, by: &Caller, id: i64, keep: bool) -> Result<(), Error> {
        let build = self.known_build(by, id).await?;
        let project = self.project(by, &build.project).await?;
        access::change_project(by, &project)?;
        Ok(self.store.keep_build(id, keep).await?)
    }

    /// Restarts builds of an evaluation; answers how many.
    pub async fn restart_evaluation(&self, by: &Caller, id: i64, which: Restart) -> Result<usize, Error> {
        self.operated_evaluation(by, id, Role::RestartJobs).await?;
        let builds = self.store.builds_with_status(id, which.statuses()).await?;
        let mut restarted = 0;
        for builds in builds.chunks(BATCH as usize) {
            restarted += self.store.restart_builds(builds).await?.len();
        }
        self.tell_builds().await?;
        Ok(restarted)
    }

    /// Ends the unfinished builds of an evaluation; answers how many.
    pub async fn cancel_evaluation(&self, by: &Caller, id: i64) -> Result<usize, Error> {
        self.operated_evaluation(by, id, Role::CancelBuild).await?;
        let mut cancelled = 0;
        for builds in self.store.open_builds_of(id).await?.chunks(BATCH as usize) {
            cancelled += self.store.cancel_builds(builds).await?;
            self.leases.wake();
        }
        self.tell_builds().await?;
        Ok(cancelled)
    }

    /// Puts the unfinished builds of an evaluation in front of the queue; answers how many.
    pub async fn bump_evaluation(&self, by: &Caller, id: i64) -> Result<usize, Error> {
        self.operated_evaluation(by, id, Role::BumpToFront).await?;
        let builds = self.store.open_builds_of(id).await?;
        self.bump_all(&builds).await?;
        Ok(builds.len())
    }

    /// False if it had ended.
    async fn cancel_open(&self, id: i64) -> Result<bool, Error> {
        match self.store.cancel(JobId(id), Cause::Cancelled).await {
            Ok(has_ended) => {
                if !has_ended {
                    self.leases.wake();
                }
                Ok(true)
            }
            Err(StoreError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn bump_all(&self, builds: &[i64]) -> Result<(), Error> {
        for builds in builds.chunks(BATCH as usize) {
            self.store.bump_builds(builds).await?;
        }
        Ok(())
    }

    async fn known_build(&self, by: &Caller, id: i64) -> Result<BriefBuild, Error> {
        access::projects(by, Mode::Ro)?;
        let found = self.store.brief_builds(&[id]).await?.pop();
        found.ok_or_else(|| Error::missing(format_args!("build {id}")))
    }

    async fn operated(&self, by: &Caller, id: i64, role: Role) -> Result<BriefBuild, Error> {
        let build = self.known_build(by, id).await?;
        let project = self.project(by, &build.project).await?;
        access::operate(by, &project, role)?;
        Ok(build)
    }

    async fn operated_evaluation(&self, by: &Caller, id: i64, role: Role) -> Result<EvaluationRow, Error> {
        let evaluation = self.evaluation(by, id).await?;
        let project = self.project(by, &evaluation.project).await?;
        access::operate(by, &project, role)?;
        Ok(evaluation)
    }
}
