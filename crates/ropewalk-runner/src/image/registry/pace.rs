//! How fast an answer must come.

use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The least rate of a registry's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Bytes a second; 0: any rate.
    pub rate: u64,
    /// How long bytes are counted before they are judged.
    pub window: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { rate: 4 << 10, window: Duration::from_secs(30) }
    }
}

impl Pace {
    /// Whether so many bytes in so much time are fast enough.
    pub(super) fn allows(self, bytes: u64, time: Duration) -> bool {
        u128::from(bytes) * 1_000_000_000 >= u128::from(self.rate).saturating_mul(time.as_nanos())
    }

    /// An answer's body that fails when it comes too slowly. What its reader does in between does not count.
    pub(super) fn hold<R: Read>(self, body: R) -> Paced<R> {
        Paced { body, pace: self, bytes: 0, time: Duration::ZERO }
    }
}

/// See [`Pace::hold`].
pub(super) struct Paced<R> {
    body: R,
    pace: Pace,
    /// Of the current window.
    bytes: u64,
    time: Duration,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let began = Instant::now();
        let read = self.body.read(piece)?;
        self.time += began.elapsed();
        self.bytes += read as u64;
        if read > 0 && self.time >= self.pace.window {
            if !self.pace.allows(self.bytes, self.time) {
                let why = format!("less than {} bytes a second (limits.image-rate)", self.pace.rate);
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            (self.bytes, self.time) = (0, Duration::ZERO);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_rate_is_bytes_by_time() {
        let pace = Pace { rate: 1000, ..Pace::default() };
        for (bytes, milliseconds, allowed) in
            [(1000, 1000, true), (999, 1000, false), (0, 0, true), (1, 1, true), (1, 2, false)]
        {
            assert_eq!(pace.allows(bytes, Duration::from_millis(milliseconds)), allowed, "{bytes}");
        }
        let any = Pace { rate: 0, ..Pace::default() };
        assert!(any.allows(0, Duration::MAX));
        assert!(!Pace { rate: u64::MAX, ..pace }.allows(u64::MAX, Duration::MAX));
    }

    #[test]
    fn every_window_is_judged_by_itself() {
        let read = |pace: Pace| pace.hold(&[0; 100_000][..]).read_to_end(&mut vec![]);
        let window = Duration::ZERO;
        assert_eq!(read(Pace { rate: 1, window }).unwrap(), 100_000);
        assert_eq!(read(Pace { rate: 0, window }).unwrap(), 100_000);
        let error = read(Pace { rate: u64::MAX, window }).unwrap_err();
        assert!(error.to_string().contains("limits.image-rate"), "{error}");
        // Nothing is judged before the window is over.
        assert_eq!(read(Pace { rate: u64::MAX, window: Duration::from_secs(600) }).unwrap(), 100_000);
    }
}
