//! Logs while they are written and after.

use super::{BlobRef, Landmark, Seek, StoreError};
use async_trait::async_trait;
use ropewalk_model::ids::{AttemptId, JobId};
use ropewalk_model::link::{LogFile, LogName, LogPiece};
use ropewalk_model::time::Time;

/// Names a log as its readers see it: the step runs of all attempts one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogRef {
    /// The job.
    pub job: JobId,
    /// Which of its logs.
    pub log: LogName,
}

/// Part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSlice {
    /// The bytes asked for, fewer at the end.
    pub bytes: Vec<u8>,
    /// Bytes of the whole log now.
    pub size: u64,
    /// No byte will be added any more.
    pub complete: bool,
}

/// When bytes of a log came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogTime {
    /// The first of them.
    pub offset: u64,
    /// Then, or shortly after (see [`pace`](ropewalk_model::log_times::pace)); none where nobody noted it.
    pub at: Option<Time>,
}

/// Port for logs.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Appends bytes of a file of an attempt's log and says how many of that file are durable from now on. Bytes that
    /// were stored before are skipped; a piece that would leave a gap stores nothing. The lease has been checked.
    async fn append(&self, piece: &LogPiece) -> Result<u64, StoreError>;
    /// Makes blobs of an attempt's logs. Repeatable until [`Logs::discard`].
    async fn seal(&self, attempt: AttemptId) -> Result<Vec<(LogFile, BlobRef)>, StoreError>;
    /// Removes the appended files of an attempt whose blobs the database knows.
    async fn discard(&self, attempt: AttemptId) -> Result<(), StoreError>;
    /// Makes blobs of the logs of attempts that ended without a report, and removes files that blobs replace: there are
    /// some after a runner was lost or this program was killed. Answers of how many attempts.
    async fn tidy(&self) -> Result<usize, StoreError>;
    /// Bytes `from..` of a job's log, at most `length`. An offset once served stays valid for ever.
    async fn read(&self, log: LogRef, from: u64, length: usize) -> Result<LogSlice, StoreError>;
    /// The last landmark at or before a place of a job's log, as [`Blobs::landmark`](super::Blobs::landmark) says.
    async fn landmark(&self, log: LogRef, seek: Seek) -> Result<Landmark, StoreError>;
    /// When the bytes from an offset up to another one came, in order: each holds up to the next one, the first from
    /// `from` or before it on.
    async fn times(&self, log: LogRef, from: u64, to: u64) -> Result<Vec<LogTime>, StoreError>;
    /// Resolves when the log may be longer than `known`, or complete; possibly too often.
    async fn grown(&self, log: LogRef, known: u64);
}
