//! What must happen by itself to jobsets and builds. No server is special: each transaction looks again.

use super::projection::{Projection, failure};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::StoreError;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use std::time::Duration;

/// How often jobsets are looked at, should nothing wake this: intervals are whole seconds.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks when much happens.
const PACE: Duration = Duration::from_millis(50);
/// How often works are looked for that no runner can serve.
const UNSERVED_EVERY: Duration = Duration::from_secs(5);
/// How often roots are swept and failures forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Builds of one transaction.
const BATCH: u32 = 200;

impl Farm {
    /// Evaluates jobsets that are due, takes over what was found and tells builds how they ended, for ever. Every
    /// server may do it.
    pub async fn tend_jobsets(&self) {
        let begun = self.clock.now();
        let (mut unserved, mut swept) = (None, None);
        loop {
            // Listen before looking, so that what changes in between is not missed.
            let changed = self.store.jobs_changed();
            self.tend_jobsets_once().await;
            if self.is_time(&mut unserved, UNSERVED_EVERY) {
                note("works that no runner can serve", self.fail_unserved(begun).await);
            }
            if self.is_time(&mut swept, SWEEP_EVERY) {
                note("failures to be forgotten", self.store.forget_failures(false).await.map(drop));
                note("evaluations to be forgotten", self.forget_looks().await);
                note("roots in the Nix store", self.sweep_roots().await);
            }
            tokio::time::sleep(PACE).await;
            let _ = tokio::time::timeout(PATIENCE, changed).await;
        }
    }

    /// One look at all that may be due.
    pub async fn tend_jobsets_once(&self) {
        note("evaluations that ended", self.take_over_evaluations().await);
        note("builds that ended", self.tell_builds().await);
        note("jobsets that are due", self.start_evaluations().await);
    }

    /// Tells builds how they ended.
    pub(super) async fn tell_builds(&self) -> Result<(), Error> {
        loop {
            let ended = self.store.ended_builds(BATCH).await?;
            if ended.is_empty() {
                return Ok(());
            }
            let memory = self.settings.nix.failure_memory;
            let failures = ended.iter().filter_map(|end| failure(end, memory)).collect();
            let ends = ended.iter().map(|end| (end.build, end.round, Projection::of_ended(end))).collect();
            self.store.settle_builds(ends, failures).await?;
        }
    }

    /// Fails works of a system that no runner has. While no server ran, nobody could be heard of.
    pub async fn fail_unserved(&self, begun: Time) -> Result<(), Error> {
        let after = self.settings.nix.unsupported_after;
        if self.clock.now().since(begun) < after {
            return Ok(());
        }
        loop {
            let unserved = self.store.unserved(after, BATCH).await?;
            for (work, asks) in &unserved {
                let message = format!("no runner that could be reached builds for {asks}");
                match self.store.fail_work(*work, Cause::UnsupportedSystem, &message).await {
                    // Somebody took it after all.
                    Ok(_) | Err(StoreError::Refused(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if unserved.len() < BATCH as usize {
                return Ok(());
            }
        }
    }

    /// Removes what old evaluations left that found nothing new, or failed.
    async fn forget_looks(&self) -> Result<(), Error> {
        let keep = self.settings.nix.looks_kept;
        while self.store.forget_looks(keep, BATCH).await? >= u64::from(BATCH) {}
        Ok(())
    }

    async fn sweep_roots(&self) -> Result<(), Error> {
        let Some(roots) = &self.roots else { return Ok(()) };
        let wanted = self.store.wanted_paths().await?.into_iter().collect();
        let removed = roots.sweep(wanted, self.settings.nix.roots_grace).await?;
        if removed > 0 {
            tracing::info!("{removed} outputs are not kept in the Nix store any more");
        }
        Ok(())
    }

    fn is_time(&self, last: &mut Option<Time>, every: Duration) -> bool {
        let now = self.clock.now();
        let is_time = last.is_none_or(|last| now.since(last) >= every);
        if is_time {
            *last = Some(now);
        }
        is_time
    }
}

fn note<E: std::fmt::Display>(what: &str, done: Result<(), E>) {
    if let Err(error) = done {
        tracing::warn!("{what} could not be looked after, trying again: {error}");
    }
}
