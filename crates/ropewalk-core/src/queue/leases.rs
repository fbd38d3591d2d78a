//! What this server remembers of leases, so that a piece of log costs no question to the database.
//!
//! Nothing here is the truth: an unknown lease is asked for, a known one holds no longer than the database said.

use crate::port::Lease;
use ropewalk_model::ids::{AttemptId, Fence, RunnerId};
use ropewalk_model::link::{Offer, Verdict};
use ropewalk_model::time::Time;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug)]
struct Known {
    runner: RunnerId,
    fence: Fence,
    until: Time,
}

/// Leases that this server gave or renewed, offers that nobody has taken yet, and leases whose offers could not be
/// made yet.
#[derive(Debug)]
pub(crate) struct Leases {
    known: Mutex<HashMap<AttemptId, Known>>,
    offers: Mutex<HashMap<RunnerId, VecDeque<Offer>>>,
    put_off: Mutex<HashMap<RunnerId, Vec<Lease>>>,
    /// Held by the one question of a runner that leases.
    asking: Mutex<HashMap<RunnerId, Arc<tokio::sync::Mutex<()>>>>,
    /// Counts verdicts that may have changed.
    verdicts: watch::Sender<u64>,
}

impl Default for Leases {
    fn default() -> Self {
        Leases {
            known: Mutex::default(),
            offers: Mutex::default(),
            put_off: Mutex::default(),
            asking: Mutex::default(),
            verdicts: watch::Sender::new(0),
        }
    }
}

impl Leases {
    /// A verdict may have changed: runners in this process look at once.
    pub(crate) fn wake(&self) {
        self.verdicts.send_modify(|count| *count += 1);
    }

    pub(super) fn news(&self) -> News {
        let verdicts = self.verdicts.subscribe();
        let seen = AtomicU64::new(*verdicts.borrow());
        News { verdicts, seen }
    }

    pub(super) fn leased(&self, runner: RunnerId, lease: &Lease) {
        let known = Known { runner, fence: lease.fence, until: lease.until };
        lock(&self.known).insert(lease.attempt, known);
    }

    pub(super) fn offer(&self, runner: RunnerId, offer: Offer) {
        lock(&self.offers).entry(runner).or_default().push_back(offer);
    }

    /// Keeps a lease until its offer can be made.
    pub(super) fn put_off(&self, runner: RunnerId, lease: Lease) {
        lock(&self.put_off).entry(runner).or_default().push(lease);
    }

    pub(super) fn take_put_off(&self, runner: RunnerId) -> Vec<Lease> {
        lock(&self.put_off).remove(&runner).unwrap_or_default()
    }

    /// Resolves when no other question of the runner leases, until what it gives is dropped. What is free is counted
    /// and leased within, or a question that was dropped and the next one would both fill the same place.
    pub(super) async fn ask_alone(&self, runner: RunnerId) -> tokio::sync::OwnedMutexGuard<()> {
        let asking = lock(&self.asking).entry(runner).or_default().clone();
        asking.lock_owned().await
    }

    /// How many offers lie ready, and how many leases wait for theirs. Offers whose lease ran out are dropped: nobody
    /// renews them, and their works are given away as lost.
    pub(super) fn waiting(&self, runner: RunnerId, now: Time) -> (u32, u32) {
        let count = |waiting: usize| u32::try_from(waiting).unwrap_or(u32::MAX);
        let offers = lock(&self.offers).get_mut(&runner).map_or(0, |offers| {
            offers.retain(|offer| now < offer.until);
            offers.len()
        });
        let put_off = lock(&self.put_off).get(&runner).map_or(0, Vec::len);
        (count(offers), count(put_off))
    }

    pub(super) fn take_offers(&self, runner: RunnerId, most: u32) -> Vec<Offer> {
        let mut offers = lock(&self.offers);
        let Some(waiting) = offers.get_mut(&runner) else { return vec![] };
        let most = waiting.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        waiting.drain(..most).collect()
    }

    /// A runner that started again took none of the offers that wait for it.
    pub(super) fn forget_runner(&self, runner: RunnerId) {
        lock(&self.offers).remove(&runner);
        lock(&self.put_off).remove(&runner);
        lock(&self.known).retain(|_, known| known.runner != runner);
    }

    pub(super) fn note(&self, runner: RunnerId, attempt: AttemptId, fence: Option<Fence>, verdict: &Verdict) {
        let until = match (verdict, fence) {
            (Verdict::Go { until } | Verdict::Cancel { until, .. }, Some(fence)) => Some((*until, fence)),
            _ => None,
        };
        let mut known = lock(&self.known);
        match until {
            Some((until, fence)) => known.insert(attempt, Known { runner, fence, until }),
            None => known.remove(&attempt),
        };
    }

    pub(super) fn holds(&self, runner: RunnerId, attempt: AttemptId, fence: Fence, now: Time) -> bool {
        let known = lock(&self.known).get(&attempt).copied();
        known.is_some_and(|known| known.runner == runner && known.fence == fence && now < known.until)
    }

    pub(super) fn drop_attempt(&self, attempt: AttemptId) {
        lock(&self.known).remove(&attempt);
    }
}

/// One reader of the news that verdicts may have changed.
#[derive(Debug)]
pub(super) struct News {
    verdicts: watch::Receiver<u64>,
    seen: AtomicU64,
}

impl News {
    /// Resolves when there was news since the last time it did.
    pub(super) async fn changed(&self) {
        let seen = self.seen.load(Ordering::SeqCst);
        let mut verdicts = self.verdicts.clone();
        match verdicts.wait_for(|count| *count != seen).await.map(|count| *count) {
            Ok(count) => self.seen.store(count, Ordering::SeqCst),
            Err(_) => std::future::pending().await,
        }
    }
}

/// No code between lock and unlock can leave the maps half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNER: RunnerId = RunnerId(1);
    const ATTEMPT: AttemptId = AttemptId(7);

    #[test]
    fn a_lease_holds_for_its_runner_fence_and_time_only() {
        let leases = Leases::default();
        leases.note(RUNNER, ATTEMPT, Some(Fence(3)), &Verdict::Go { until: Time(100) });
        assert!(leases.holds(RUNNER, ATTEMPT, Fence(3), Time(99)));
        assert!(!leases.holds(RUNNER, ATTEMPT, Fence(3), Time(100)));
        assert!(!leases.holds(RUNNER, ATTEMPT, Fence(2), Time(99)));
        assert!(!leases.holds(RunnerId(2), ATTEMPT, Fence(3), Time(99)));
        leases.note(RUNNER, ATTEMPT, Some(Fence(3)), &Verdict::Superseded);
        assert!(!leases.holds(RUNNER, ATTEMPT, Fence(3), Time(99)));
    }

    #[tokio::test]
    async fn news_between_two_questions_is_not_lost() {
        let leases = Leases::default();
        let news = leases.news();
        leases.wake();
        leases.wake();
        tokio::time::timeout(std::time::Duration::from_secs(5), news.changed()).await.unwrap();
        let again = tokio::time::timeout(std::time::Duration::from_millis(20), news.changed()).await;
        assert!(again.is_err(), "old news came twice");
    }
}
