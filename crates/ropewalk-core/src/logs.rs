//! Reading logs: by range, and live.

use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{Landmark, LogRef, LogSlice, LogTime, Seek};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::Job;
use ropewalk_model::link::LogName;
use std::time::Duration;

/// Bytes read from a log at once.
pub const READ_MAX: usize = 1 << 20;
/// Least time from one batch of a live log to the next: ten a second.
pub const PACE: Duration = Duration::from_millis(100);
/// How often a live stream asks whether its reader may still read. It ends that long after the reader's token was
/// revoked or the job was hidden from them, at the latest.
pub const RECHECK: Duration = Duration::from_secs(5);
/// How long a follower waits before it looks by itself, should a wake-up have been lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// A log that the caller may read: made by [`Farm::open_log`] only.
#[derive(Clone, Copy, Debug)]
pub struct OpenLog {
    log: LogRef,
}

impl OpenLog {
    /// Whose log it is.
    pub fn job(self) -> JobId {
        self.log.job
    }

    /// Which of its job's logs it is.
    pub fn name(self) -> LogName {
        self.log.log
    }
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

    /// Opens the log of a step by its name.
    pub async fn open_step_log(&self, by: &Caller, job: JobId, step: &str) -> Result<OpenLog, Error> {
        self.job(by, job).await?;
        access::read(by)?;
        let steps = self.store.steps(job).await?;
        let position = steps.iter().find(|known| known.name == step).map(|known| known.position);
        let position = position.and_then(|position| u32::try_from(position).ok());
        let position = position.ok_or_else(|| Error::missing(format_args!("task {step:?} of job {job}")))?;
        Ok(OpenLog { log: LogRef { job, log: LogName::Step(position) } })
    }

    /// The log of a job that was just looked up.
    pub fn log_of(&self, by: &Caller, job: &Job, log: LogName) -> Result<OpenLog, Error> {
        access::seen(by, job)?;
        access::read(by)?;
        Ok(OpenLog { log: LogRef { job: job.id, log } })
    }

    /// The last bytes of a log, at most `length`.
    pub async fn log_tail(&self, open: OpenLog, length: usize) -> Result<Vec<u8>, Error> {
        let size = self.read_log(open, 0, 0).await?.size;
        let from = size.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        let mut tail = self.read_log(open, from, length).await?.bytes;
        // It may have grown meanwhile.
        let surplus = tail.len().saturating_sub(length);
        tail.drain(..surplus);
        Ok(tail)
    }

    /// Opens all logs of a job that the caller may know of: that of the set-up, then those of its steps in order.
    pub async fn open_logs(&self, by: &Caller, job: JobId) -> Result<Vec<OpenLog>, Error> {
        self.job(by, job).await?;
        access::read(by)?;
        let steps = self.store.steps(job).await?;
        let steps = steps.iter().filter_map(|step| u32::try_from(step.position).ok()).map(LogName::Step);
        let open = |log| OpenLog { log: LogRef { job, log } };
        Ok(std::iter::once(LogName::Setup).chain(steps).map(open).collect())
    }

    /// Bytes of a log from an offset, at most [`READ_MAX`]; fewer at its present end.
    pub async fn read_log(&self, open: OpenLog, from: u64, length: usize) -> Result<LogSlice, Error> {
        Ok(self.logs.read(open.log, from, length.min(READ_MAX)).await?)
    }

    /// When the bytes of a log from an offset up to another one came, see [`Logs::times`](crate::port::Logs::times).
    pub async fn log_times(&self, open: OpenLog, from: u64, to: u64) -> Result<Vec<LogTime>, Error> {
        Ok(self.logs.times(open.log, from, to).await?)
    }

    /// Resolves when the caller may not read a job's logs any more: their token ended, or the job was hidden from them.
    /// Says why. While the database does not answer nothing is decided.
    pub async fn lost_access(&self, by: &Caller, job: JobId) -> Error {
        let mut by = by.clone();
        loop {
            tokio::time::sleep(RECHECK).await;
            match self.may_read_still(&by, job).await {
                Ok(now) => by = now,
                Err(error) if error.kind == Kind::Unavailable => {}
                Err(error) => return error,
            }
        }
    }

    async fn may_read_still(&self, by: &Caller, job: JobId) -> Result<Caller, Error> {
        let ended = || Error::new(Kind::Unauthenticated, "the token ended while its stream was read");
        let by = self.again(by).await?.ok_or_else(ended)?;
        self.job(&by, job).await?;
        access::read(&by)?;
        Ok(by)
    }

    /// A place of a log at or shortly before the one that is looked for, and how many newlines stand before it.
    pub async fn log_landmark(&self, open: OpenLog, seek: Seek) -> Result<Landmark, Error> {
        Ok(self.logs.landmark(open.log, seek).await?)
    }

    /// Resolves when a log may be longer than `known`, or complete; at the latest after some seconds, so that the
    /// reader looks for itself.
    pub async fn log_grown(&self, open: OpenLog, known: u64) {
        let _ = tokio::time::timeout(PATIENCE, self.logs.grown(open.log, known)).await;
    }
}
