//! A clock that a test moves.

use ropewalk_core::port::Clock;
use ropewalk_model::time::Time;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Stands still until it is moved.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// 2026-07-01T10:00:00Z.
    pub const START: Time = Time(1_782_900_000_000_000);

    /// A clock that shows this time.
    pub fn at(time: Time) -> FakeClock {
        FakeClock(AtomicI64::new(time.0))
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Shows this time from now on.
    pub fn set(&self, time: Time) {
        self.0.store(time.0, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    fn default() -> FakeClock {
        FakeClock::at(FakeClock::START)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}
