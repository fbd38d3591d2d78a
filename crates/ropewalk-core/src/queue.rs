//! The server's side of the link: works out to runners, facts and bytes back.
//!
//! The embedded agent calls these directly, a door calls them for remote runners. Every message may come twice.

mod leases;
mod offer;
mod tend;
mod words;

use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{BlobRef, Finish, Renewal, Standing, StoreError};
use ropewalk_model::ids::{AttemptId, Fence, RunnerId};
use ropewalk_model::link::{AttemptFact, Hello, LINK_VERSION, LogPiece, Offer, Outcome, Report, Verdict};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use leases::Leases;

/// How long [`Runner::ask`] waits for a work.
pub const ASK_FOR: Duration = Duration::from_secs(30);
/// How often it looks by itself meanwhile, should a wake-up have been lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// Characters of a runner's name.
const NAME_MAX: usize = 64;

/// Why a runner's message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LinkRefusal {
    /// The attempt is somebody else's or over.
    #[error("the attempt belongs to somebody else by now: stop it")]
    Superseded,
    /// Now or ever, as the kind says.
    #[error(transparent)]
    Failed(#[from] Error),
}

impl From<StoreError> for LinkRefusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Superseded { .. } => LinkRefusal::Superseded,
            error => LinkRefusal::Failed(error.into()),
        }
    }
}

/// A runner that said hello.
#[derive(Debug)]
pub struct Runner {
    farm: Arc<Farm>,
    id: RunnerId,
    news: leases::News,
}

impl Farm {
    /// A runner has started. `held` is all that it found in its spools: what it held before besides is lost at once.
    pub async fn hello(
        self: &Arc<Self>,
        hello: &Hello,
        held: &[(AttemptId, Fence)],
    ) -> Result<Runner, Error> {
        check_version(hello.version)?;
        check_runner_name(&hello.name)?;
        let row = self.store.register(&hello.name, &hello.labels, hello.slots).await?;
        for lost in self.store.abandon(row.id, held).await? {
            tracing::warn!(attempt = %lost.attempt, again = lost.again, "an attempt of runner {} was lost", row.name);
        }
        self.leases.forget_runner(row.id);
        tracing::info!(runner = row.name, slots = row.slots, adopted = held.len(), "a runner is here");
        Ok(Runner { farm: self.clone(), id: row.id, news: self.leases.news() })
    }
}

impl Runner {
    /// Takes at most `free` works; waits for one up to [`ASK_FOR`]. Dropping the future loses no work: what was
    /// leased meanwhile is the answer to the next question.
    pub async fn ask(&self, free: u32) -> Result<Vec<Offer>, LinkRefusal> {
        let deadline = tokio::time::Instant::now() + ASK_FOR;
        loop {
            let mut changed = std::pin::pin!(self.farm.store.changed());
            // Listen before looking, so that what becomes ready in between is not missed.
            let already = poll_once(changed.as_mut()).await;
            self.lease(free).await?;
            let offers = self.farm.leases.take_offers(self.id, free);
            if !offers.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(offers);
            }
            if !already {
                let _ =
                    tokio::time::timeout_at(deadline.min(tokio::time::Instant::now() + PATIENCE), changed)
                        .await;
            }
        }
    }

    /// Leases in a task of its own: a dropped question must not tear a lease from its offer.
    async fn lease(&self, free: u32) -> Result<(), LinkRefusal> {
        let (farm, runner) = (self.farm.clone(), self.id);
        let task = tokio::spawn(async move { offer::lease(&farm, runner, free).await });
        task.await.map_err(|error| Error::internal(format_args!("leasing a work failed: {error}")))?
    }

    /// Renews leases, all at once.
    pub async fn renew(&self, held: &[(AttemptId, Fence)]) -> Result<Vec<(AttemptId, Verdict)>, LinkRefusal> {
        let lost_after = self.farm.settings.lost_after;
        let renewals = self.farm.store.renew(self.id, held, lost_after).await?;
        for Renewal { attempt, verdict } in &renewals {
            let fence = held.iter().find(|(held, _)| held == attempt).map(|(_, fence)| *fence);
            self.farm.leases.note(self.id, *attempt, fence, verdict);
        }
        Ok(renewals.into_iter().map(|Renewal { attempt, verdict }| (attempt, verdict)).collect())
    }

    /// Takes one fact; the last one ends the attempt.
    pub async fn report(&self, report: &Report) -> Result<(), LinkRefusal> {
        let report = &words::storable(report);
        // Before anything is done for it. The transactions look again: the lease may run out meanwhile.
        let standing = self.standing(report.attempt, report.fence).await?;
        match &report.fact {
            _ if standing == Standing::Superseded => Err(LinkRefusal::Superseded),
            AttemptFact::Ended { .. } if standing == Standing::Ended => Ok(()),
            AttemptFact::Ended { outcome } => self.finish(report, outcome.clone()).await,
            AttemptFact::Artifact { path, size, sha256 } => {
                let blob = BlobRef { sha256: sha256.clone(), size: *size };
                self.make_sure_it_is_there(path, &blob).await?;
                self.record(report).await
            }
            _ => self.record(report).await,
        }
    }

    /// A fact that the state of the attempt does not allow is dropped: sent again it would be refused again, for ever.
    async fn record(&self, report: &Report) -> Result<(), LinkRefusal> {
        match self.farm.store.record(report).await {
            Err(StoreError::Refused(why)) => {
                tracing::error!(attempt = %report.attempt, fact = ?report.fact, "a fact was dropped: {why}");
                Ok(())
            }
            Err(StoreError::Missing(_)) => Err(LinkRefusal::Superseded),
            recorded => Ok(recorded?),
        }
    }

    /// Seals the logs, then ends the attempt with them in one transaction, then removes the files. Each part may be
    /// repeated after a crash.
    async fn finish(&self, report: &Report, outcome: Outcome) -> Result<(), LinkRefusal> {
        let Report { attempt, fence, .. } = *report;
        let logs = self.farm.logs.seal(attempt).await?;
        let finished = match self.farm.store.finish(Finish { attempt, fence, outcome, logs }).await {
            Err(StoreError::Refused(_) | StoreError::Missing(_)) => return Err(LinkRefusal::Superseded),
            finished => finished?,
        };
        if !finished.repeated {
            tracing::info!(%attempt, jobs = ?finished.jobs, "an attempt ended");
        }
        self.farm.leases.drop_attempt(attempt);
        if let Err(error) = self.farm.logs.discard(attempt).await {
            tracing::warn!(%attempt, "the attempt's log files could not be removed: {error}");
        }
        Ok(())
    }

    async fn standing(&self, attempt: AttemptId, fence: Fence) -> Result<Standing, LinkRefusal> {
        if self.farm.leases.holds(self.id, attempt, fence, self.farm.clock.now()) {
            return Ok(Standing::Held);
        }
        Ok(self.farm.store.standing(self.id, attempt, fence).await?)
    }

    /// Takes bytes of a log; answers how many of that log are durable.
    pub async fn log(&self, piece: &LogPiece) -> Result<u64, LinkRefusal> {
        self.check_lease(piece.attempt, piece.fence).await?;
        Ok(self.farm.logs.append(piece).await?)
    }

    /// Takes a file that the runner collected, before it reports it.
    pub async fn artifact(
        &self,
        held: (AttemptId, Fence),
        path: &str,
        promised: &BlobRef,
        file: &Path,
    ) -> Result<(), LinkRefusal> {
        self.check_lease(held.0, held.1).await?;
        let stored = self.farm.blobs.put_file(file).await?;
        if stored != *promised {
            return Err(Error::malformed(format!(
                "the file {path:?} is not what was promised: {} bytes with the SHA-256 {}",
                stored.size, stored.sha256
            ))
            .into());
        }
        Ok(())
    }

    /// Resolves when a verdict may have changed since the last call.
    pub async fn changed(&self) {
        self.news.changed().await;
    }

    async fn make_sure_it_is_there(&self, path: &str, blob: &BlobRef) -> Result<(), LinkRefusal> {
        if !self.farm.blobs.renew(blob).await? {
            return Err(Error::malformed(format!(
                "the file {path:?} was reported before it was handed over"
            ))
            .into());
        }
        Ok(())
    }

    async fn check_lease(&self, attempt: AttemptId, fence: Fence) -> Result<(), LinkRefusal> {
        if self.farm.leases.holds(self.id, attempt, fence, self.farm.clock.now()) {
            return Ok(());
        }
        let verdicts = self.renew(&[(attempt, fence)]).await?;
        let lost = verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Superseded);
        if lost { Err(LinkRefusal::Superseded) } else { Ok(()) }
    }
}

async fn poll_once(mut future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

fn check_version(version: u32) -> Result<(), Error> {
    if version == LINK_VERSION || version.checked_add(1) == Some(LINK_VERSION) {
        return Ok(());
    }
    let older = if version < LINK_VERSION { "runner" } else { "server" };
    Err(Error::new(
        Kind::Refused,
        format!(
            "the runner speaks version {version} of the link, this server {LINK_VERSION}: update the {older}"
        ),
    ))
}

fn check_runner_name(name: &str) -> Result<(), Error> {
    let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(well_formed) {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "a runner's name is 1 to {NAME_MAX} characters of a-z, A-Z, 0-9, -, _ and ."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_its_own_version_and_the_one_before() {
        assert!(check_version(LINK_VERSION).is_ok() && check_version(LINK_VERSION - 1).is_ok());
        let newer = check_version(LINK_VERSION + 1).unwrap_err();
        assert!(newer.message.contains("update the server"), "{newer}");
        assert!(check_version(u32::MAX).is_err());
    }

    #[test]
    fn runner_names_are_plain() {
        assert!(check_runner_name("build-1.example.org").is_ok());
        for bad in ["", "a b", "a/b", "é", &"x".repeat(NAME_MAX + 1)] {
            assert!(check_runner_name(bad).is_err(), "{bad:?}");
        }
    }
}
