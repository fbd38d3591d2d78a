//! Builds by our own runners, where no agent comes for them.

use super::builds::AGENT;
use super::pools::agents_word;
use super::{BuildConfig, words};
use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{Native, Pool, User};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::JobKind;
use ropewalk_model::status::JobStatus;
use ropewalk_model::work::Requirement;
use std::time::Duration;

/// An architecture that an agent polled for within ten minutes is left to agents; when they polled is noted once a minute.
const AGENTS_LIVE: Duration = Duration::from_secs(11 * 60);
/// Builds of one look.
const BATCH: u32 = 100;

impl Farm {
    /// Gives builds that no agent comes for to our own runners, keeps the logs of those that these have ended, and lets go
    /// of those that ended without a log.
    pub(super) async fn tend_native(&self) {
        if let Err(error) = self.give_to_own_runners().await {
            tracing::warn!("builds could not be given to runners of ours, trying again: {error}");
        }
        if let Err(error) = self.store.end_native(BATCH).await {
            tracing::warn!("logs of builds could not be kept, trying again: {error}");
        }
        if let Err(error) = self.store.close_builds(BATCH).await {
            tracing::warn!("builds that ended without a log could not be closed, trying again: {error}");
        }
    }

    async fn give_to_own_runners(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let settings = &self.settings.arch;
        for (arch, pool) in self.store.waiting_archs(now.minus(settings.agent_grace)).await? {
            let native = Native {
                due: now.minus(settings.agent_grace),
                polled: now.minus(AGENTS_LIVE),
                requirement: requirement(&arch),
                attempts: self.settings.requests.attempts.max(1),
                arch,
                pool,
                limit: BATCH,
            };
            self.store.go_native(native).await?;
        }
        Ok(())
    }

    /// Passes the token of a build of this repository that runs. It dies with the build.
    pub(super) async fn check_key(&self, by: &Caller, repo: &str) -> Result<(), Error> {
        let refused = || {
            let message = format!(
                "this token is a build's: it may publish into its own repository only, not into {repo}, and while the build runs"
            );
            Error::new(Kind::Forbidden, message)
        };
        let owner = access::owner(by)?;
        let number = self.build_of_token(by).await?.ok_or_else(refused)?;
        let job = self.store.job(number).await?.ok_or_else(refused)?;
        let manifest = self.store.manifest(number).await?.ok_or_else(refused)?;
        let config: Option<BuildConfig> = serde_json::from_str(&manifest).ok();
        let is_own = job.kind == JobKind::Vieter
            && job.status == JobStatus::Running
            && job.owner == owner.id
            && config.is_some_and(|config| config.repo == repo);
        if is_own { Ok(()) } else { Err(refused()) }
    }

    /// The build that a token was made for.
    async fn build_of_token(&self, by: &Caller) -> Result<Option<JobId>, Error> {
        let Caller::User { token: Some(digest), .. } = by else { return Ok(None) };
        let Some((token, User { .. })) = self.store.token_by_hash(digest).await? else { return Ok(None) };
        let number = token.comment.as_deref().and_then(|comment| comment.strip_prefix("build of job "));
        Ok(number.and_then(|number| number.parse().ok()).map(JobId))
    }
}

/// What a build for this architecture asks of our own runners.
fn requirement(arch: &str) -> Requirement {
    // In Rust's words; others are the same there, or no machine of ours.
    let arch = match arch {
        "i486" | "i686" | "pentium4" => "x86",
        "armv6h" | "armv7h" => "arm",
        arch => arch,
    };
    Requirement {
        kind: "sandbox".into(),
        arch: Some(words::label(arch)),
        image: None,
        features: Default::default(),
    }
}

/// What a build for this architecture asks of agents.
pub(super) fn agents(arch: &str, pool: Pool) -> Requirement {
    Requirement { kind: AGENT.into(), arch: None, image: None, features: [agents_word(arch, pool)].into() }
}
