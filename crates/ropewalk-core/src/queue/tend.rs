//! What must happen by itself as time passes.

use crate::error::Error;
use crate::farm::Farm;
use std::time::Duration;

/// How often due works are released and lost leases ended.
const EVERY: Duration = Duration::from_secs(1);
/// How often the logs of attempts that ended without a report, and files that nothing refers to, are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Rows of one transaction.
const BATCH: u32 = 100;

impl Farm {
    /// Releases works whose start has come, ends leases that ran out and puts away what they leave, for ever. Every
    /// server may do it.
    pub async fn tend(&self) {
        tokio::join!(self.tend_queue(), self.tend_logs());
    }

    async fn tend_logs(&self) {
        let mut tick = tokio::time::interval(TIDY_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.logs.tidy().await {
                tracing::warn!("the logs of lost attempts could not be put away, trying again: {error}");
            }
            match self.blobs.collect(self.settings.unused_blobs).await {
                Ok(0) => {}
                Ok(gone) => tracing::info!("{gone} stored files that nothing refers to were removed"),
                Err(error) => tracing::warn!("unused files could not be removed, trying again: {error}"),
            }
        }
    }

    async fn tend_queue(&self) {
        let since = self.clock.now();
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.tend_once(since).await {
                tracing::warn!("due works and lost leases could not be looked after, trying again: {error}");
            }
        }
    }

    async fn tend_once(&self, since: ropewalk_model::time::Time) -> Result<(), Error> {
        while self.store.release_due(BATCH).await? >= BATCH {}
        loop {
            let expired = self.store.expire(since, BATCH).await?;
            for lost in &expired {
                tracing::warn!(attempt = %lost.attempt, work = %lost.work, again = lost.again, "a lease ran out");
            }
            if expired.len() < BATCH as usize {
                return Ok(());
            }
        }
    }
}
