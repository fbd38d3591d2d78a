//! Reading logs: by range, and live.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{LogRef, LogSlice};
use ropewalk_model::ids::JobId;
use ropewalk_model::link::LogName;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes read from a log at once.
pub const READ_MAX: usize = 1 << 20;
/// Time from one batch of a live log to the next: ten a second.
const PACE: Duration = Duration::from_millis(100);
/// How long a follower waits before it looks by itself, should a wake-up have been lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// A log that the caller may read: made by [`Farm::open_log`] only.
#[derive(Clone, Copy, Debug)]
pub struct OpenLog {
    log: LogRef,
}

impl Farm {
    /// Opens a log of a job that the caller may know of.
    pub async fn open_log(&self, by: &Caller, job: JobId, log: LogName) -> Result<OpenLog, Error> {
        self.job(by, job).await?;
        access::read(by)?;
        if let LogName::Step(position) = log {
            let steps = self.store.steps(job).await?;
            if !steps.iter().any(|step| i64::from(step.position) == i64::from(position)) {
                return Err(Error::missing(format_args!("step {position} of job {job}")));
            }
        }
        Ok(OpenLog { log: LogRef { job, log } })
    }

    /// Bytes of a log from an offset, at most [`READ_MAX`]; fewer at its present end.
    pub async fn read_log(&self, open: OpenLog, from: u64, length: usize) -> Result<LogSlice, Error> {
        Ok(self.logs.read(open.log, from, length.min(READ_MAX)).await?)
    }

    /// Follows a log from an offset on.
    pub fn follow_log(self: &Arc<Self>, open: OpenLog, from: u64) -> Follower {
        Follower { farm: self.clone(), open, at: from, sent: None }
    }
}

/// Bytes that a follower got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Offset after the last byte: where to go on.
    pub next: u64,
    /// Not empty.
    pub bytes: Vec<u8>,
}

/// A reader of a log that is still written. It reads at its own pace: a slow one holds up nobody.
#[derive(Debug)]
pub struct Follower {
    farm: Arc<Farm>,
    open: OpenLog,
    at: u64,
    sent: Option<Instant>,
}

impl Follower {
    /// The next bytes: at once after a silence, else not before a tenth of a second has passed since the last ones.
    /// None when the log is complete. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            if let Some(sent) = self.sent {
                tokio::time::sleep_until(sent + PACE).await;
            }
            let LogSlice { bytes, size, complete } = self.farm.read_log(self.open, self.at, READ_MAX).await?;
            if !bytes.is_empty() {
                self.at += bytes.len() as u64;
                self.sent = Some(Instant::now());
                return Ok(Some(Batch { next: self.at, bytes }));
            }
            if complete && self.at >= size {
                return Ok(None);
            }
            // Asking for growth past an offset beyond the end must not spin: what is known is the size.
            let grown = self.farm.logs.grown(self.open.log, size.max(self.at));
            let _ = tokio::time::timeout(PATIENCE, grown).await;
        }
    }
}
