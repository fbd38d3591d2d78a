//! How many packages are read at the same time: each takes a processor, and memory for what unpacks it.

use crate::error::Error;
use ropewalk_model::ids::UserId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Seats of readers. One account has half of them at most.
#[derive(Debug)]
pub(crate) struct Seats {
    all: Arc<Semaphore>,
    each: usize,
    of_users: Mutex<HashMap<UserId, Arc<Semaphore>>>,
}

/// One is taken while this is there.
#[derive(Debug)]
pub(crate) struct Seat(#[allow(dead_code, reason = "held, not read")] [OwnedSemaphorePermit; 2]);

impl Seats {
    pub(crate) fn new(count: usize) -> Seats {
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        Seats { all: Arc::new(Semaphore::new(count)), each: count.div_ceil(2), of_users: Mutex::default() }
    }

    /// Waits for one.
    pub(crate) async fn take(&self, user: UserId) -> Result<Seat, Error> {
        let own = self.of(user).acquire_owned().await.map_err(Error::internal)?;
        let one = self.all.clone().acquire_owned().await.map_err(Error::internal)?;
        Ok(Seat([own, one]))
    }

    fn of(&self, user: UserId) -> Arc<Semaphore> {
        let mut of_users = self.of_users.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever reads or waits holds its own.
        of_users.retain(|_, seats| Arc::strong_count(seats) > 1);
        of_users.entry(user).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
    }
}

/// Tells a reader to stop when it is dropped: whoever asked has gone.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// What the reader looks at.
    pub(crate) fn given_up(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn at_once(seats: &Seats, user: i64) -> Option<Seat> {
        match pin!(seats.take(UserId(user))).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(seat) => Some(seat.unwrap()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_account_leaves_seats_for_others() {
        let seats = Seats::new(4);
        let own = [at_once(&seats, 1).unwrap(), at_once(&seats, 1).unwrap()];
        assert!(at_once(&seats, 1).is_none());
        let others = [at_once(&seats, 2).unwrap(), at_once(&seats, 3).unwrap()];
        assert!(at_once(&seats, 4).is_none(), "all are taken");
        drop(others);
        assert!(at_once(&seats, 1).is_none());
        drop(own);
        assert!(at_once(&seats, 1).is_some());
        assert_eq!(seats.of_users.lock().unwrap().len(), 1, "those who have gone are forgotten");
    }

    #[test]
    fn whoever_goes_stops_the_reader() {
        let waiting = Waiting::default();
        let given_up = waiting.given_up();
        assert!(!given_up.load(Ordering::Relaxed));
        drop(waiting);
        assert!(given_up.load(Ordering::Relaxed));
    }
}
