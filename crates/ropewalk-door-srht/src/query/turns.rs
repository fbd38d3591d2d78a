//! How many queries of one account run at the same time.

use quick_cache::sync::Cache;
use ropewalk_model::ids::UserId;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Accounts that are remembered; one that was forgotten begins anew.
const ACCOUNTS: usize = 4096;

/// Keeps one account's queries from taking the database from everybody.
pub(super) struct Turns {
    each: usize,
    left: Cache<Option<UserId>, Arc<Semaphore>>,
}

impl Turns {
    /// Turns for so many queries of each account at once, one at least.
    pub(super) fn new(each: usize) -> Turns {
        Turns { each: each.max(1), left: Cache::new(ACCOUNTS) }
    }

    /// Waits for a turn, which lasts as long as the result. Those without an account share theirs.
    pub(super) async fn take(&self, by: Option<UserId>) -> Option<OwnedSemaphorePermit> {
        let make = || Ok::<_, Infallible>(Arc::new(Semaphore::new(self.each)));
        let Ok(left) = self.left.get_or_insert_with(&by, make);
        // Nobody closes it.
        left.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn an_account_waits_for_itself_only() {
        let turns = Turns::new(2);
        let (ann, bob) = (Some(UserId(1)), Some(UserId(2)));
        let first = turns.take(ann).now_or_never().flatten();
        let second = turns.take(ann).now_or_never().flatten();
        assert!(first.is_some() && second.is_some());
        assert!(turns.take(ann).now_or_never().is_none());
        assert!(turns.take(bob).now_or_never().flatten().is_some());
        assert!(turns.take(None).now_or_never().flatten().is_some());
        drop(first);
        assert!(turns.take(ann).now_or_never().flatten().is_some());
    }
}
