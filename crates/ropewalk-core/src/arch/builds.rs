//! Builds of targets: queued by people and schedules, handed out to agents that poll.

use super::native::agents;
use super::pools::agents_name;
use super::{Cron, recipe, words};
use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{
    DueBuild, Loss, NewBuild, NewJob, NewWork, Poll, StoreError, Submission, Target, TargetKind, WorkRef,
};
use ropewalk_model::grant::Mode;
use ropewalk_model::job::{JobKind, Visibility};
use ropewalk_model::status::Cause;
use ropewalk_model::work::Requirement;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What an agent may take longer than its time-out, for images before and uploads after, until it is given up.
const GRACE: Duration = Duration::from_secs(10 * 60);
/// How often schedules are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How often replaced files of repositories are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Replaced files that one look forgets.
const SWEEP: u32 = 1000;
/// Builds of one look.
const BATCH: u32 = 100;
/// Tries to queue a build of a target that somebody changes.
const TRIES: u32 = 5;
/// Weight of package builds among users.
const SHARES: i32 = 100;
/// The kind of works that agents take. No runner of ours offers it.
pub const AGENT: &str = "agent";

/// A build as agents are told of it, in the order of Vieter's fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields of a target, and those below")]
pub struct BuildConfig {
    pub target_id: i64,
    pub kind: TargetKind,
    pub url: String,
    pub branch: String,
    pub path: String,
    pub repo: String,
    /// Image to build in.
    pub base_image: String,
    /// Build although the version is in the repository.
    pub force: bool,
    /// Seconds.
    pub timeout: u64,
}

impl Farm {
    /// Queues a build, due now.
    pub async fn queue_build(&self, by: &Caller, target: i64, arch: &str, force: bool) -> Result<(), Error> {
        access::packages(by, Mode::Rw)?;
        words::arch(arch)?;
        let mut tries = 0;
        loop {
            let target = self.target(by, target).await?;
            access::change_packages(by, target.owner)?;
            let open_jobs = Some(self.settings.requests.queued_per_user);
            let new = self.new_build(&target, arch, force, None, open_jobs).await?;
            tries += 1;
            match self.store.queue_build(new).await {
                Err(StoreError::Conflict(_)) if tries < TRIES => {}
                Err(error @ StoreError::Refused(_)) => {
                    return Err(Error::new(Kind::TooMany, error.to_string()));
                }
                queued => return Ok(queued.map(drop)?),
            }
        }
    }

    /// Hands out builds for an architecture, the longest due first. What no log comes back for is handed out again.
    pub async fn poll_builds(&self, by: &Caller, arch: &str, most: u32) -> Result<Vec<BuildConfig>, Error> {
        let pool = self.pool_of_agent(by)?;
        self.look_at_key(by);
        if words::arch(arch).is_err() {
            return Ok(vec![]);
        }
        let settings = &self.settings.arch;
        if let Err(error) = self.fire_due().await {
            // What was queued before is handed out all the same.
            tracing::warn!("builds by schedule could not be queued, trying again: {error}");
        }
        let lease_for = settings.build_timeout.saturating_add(GRACE);
        let loss = self.agents_loss();
        let (requirement, schedule) = (agents(arch, pool), settings.schedule);
        let poll = Poll { arch: arch.into(), pool, most, lease_for, schedule, requirement, loss };
        Ok(self.store.poll(poll).await?)
    }

    /// Queues what schedules ask for, for ever. Every server may do it.
    pub async fn tend_packages(&self) {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut swept, mut removal) = (None, self.clock.now());
        loop {
            tick.tick().await;
            // One that fails does not keep the others.
            if let Err(error) = self.fire_due().await {
                tracing::warn!("builds by schedule could not be queued, trying again: {error}");
            }
            self.tend_native().await;
            if swept.is_none_or(|at| self.clock.now().since(at) >= SWEEP_EVERY) {
                swept = Some(self.clock.now());
                if let Err(error) = self.store.forget_replaced(SWEEP).await {
                    tracing::warn!("replaced packages could not be forgotten, trying again: {error}");
                }
            }
            if self.clock.now() >= removal {
                match self.forget_old_logs().await {
                    Ok(()) => removal = self.settings.arch.log_removal.next(self.clock.now()),
                    Err(error) => tracing::warn!("old logs could not be removed, trying again: {error}"),
                }
            }
        }
    }

    /// Queues what is due, but for what came while no server ran: that is not caught up. Whoever asks first after the
    /// start sees to it, an agent or the clock.
    async fn fire_due(&self) -> Result<(), Error> {
        self.missed.get_or_try_init(|| self.skip_missed()).await?;
        self.fire_schedules().await
    }

    async fn skip_missed(&self) -> Result<(), Error> {
        match self.store.skip_missed(self.settings.arch.schedule).await? {
            0 => {}
            skipped => tracing::info!("{skipped} builds by schedule came while no server ran: not caught up"),
        }
        Ok(())
    }

    async fn fire_schedules(&self) -> Result<(), Error> {
        loop {
            let due = self.store.due_builds(self.settings.arch.schedule, BATCH).await?;
            let mut failed = None;
            for build in &due {
                if let Err(error) = self.fire(build).await {
                    failed = Some(error);
                }
            }
            match failed {
                Some(error) => return Err(error),
                None if due.len() < BATCH as usize => return Ok(()),
                None => {}
            }
        }
    }

    async fn fire(&self, due: &DueBuild) -> Result<(), Error> {
        let new = self.new_build(&due.target, &due.arch, false, Some(due.row), None).await?;
        match self.store.queue_build(new).await {
            // Somebody changed the target meanwhile, and with it the schedule.
            Err(StoreError::Conflict(_)) => Ok(()),
            queued => Ok(queued.map(drop)?),
        }
    }

    async fn new_build(
        &self,
        target: &Target,
        arch: &str,
        force: bool,
        row: Option<i64>,
        open_jobs_limit: Option<u64>,
    ) -> Result<NewBuild, Error> {
        let pool = self.pool_of(target.owner).await?;
        let (requirement, agents) = (agents(arch, pool), agents_name(arch, pool));
        let submission = self.build_submission(target, arch, requirement, force, open_jobs_limit)?;
        let archs_limit = self.settings.arch.archs_per_user;
        let target = (target.id, target.revision);
        Ok(NewBuild { target, arch: arch.into(), pool, agents, archs_limit, row, submission })
    }

    /// One job of one work.
    pub(super) fn build_submission(
        &self,
        target: &Target,
        arch: &str,
        requirement: Requirement,
        force: bool,
        open_jobs_limit: Option<u64>,
    ) -> Result<Submission, Error> {
        let config = self.build_config(target, force);
        let work = NewWork {
            key: None,
            plan: recipe::plan(&config, arch, self.settings.builds.clone())
                .seal()
                .map_err(Error::internal)?,
            requirement,
            // One group for all, so that agents get what is due longest.
            share_group: ("vieter".into(), SHARES),
            priority: 0,
            not_before: None,
            needs: vec![],
            loss: self.agents_loss(),
            ended: None,
        };
        let job = NewJob {
            kind: JobKind::Vieter,
            owner: target.owner,
            visibility: Visibility::Private,
            manifest: serde_json::to_string(&config).map_err(Error::internal)?,
            note: None,
            tags: vec![],
            image: Some(config.base_image),
            secrets: false,
            steps: vec![recipe::STEP.into()],
            triggers: vec![],
            root: WorkRef::New(0),
            execute: true,
        };
        Ok(Submission { works: vec![work], jobs: vec![job], open_jobs_limit })
    }

    fn agents_loss(&self) -> Loss {
        Loss { attempts: self.settings.arch.max_handouts.max(1), cause: Cause::NoReport }
    }

    fn build_config(&self, target: &Target, force: bool) -> BuildConfig {
        let (fields, settings) = (target.fields.clone(), &self.settings.arch);
        BuildConfig {
            target_id: target.id,
            kind: fields.kind,
            url: fields.url,
            branch: fields.branch,
            path: fields.path,
            repo: fields.repo,
            base_image: settings.base_image.clone(),
            force,
            timeout: settings.build_timeout.as_secs(),
        }
    }
}

/// When a target is built next; the text was checked when it was stored.
pub fn next_build(
    schedule: &str,
    default: Cron,
    now: ropewalk_model::time::Time,
) -> ropewalk_model::time::Time {
    Cron::parse(schedule).unwrap_or(default).next(now)
}
