//! Logs on disk: appended while they are written, blobs afterwards, and one piece to their readers.
//!
//! A running attempt's logs are plain files, `FOLDER/ATTEMPT/setup` and `FOLDER/ATTEMPT/step-N`, each with the times of
//! its bytes beside it, `step-N.times`. When it ends they
//! become blobs, which the database knows from the finishing transaction on; then the files go. A reader sees the
//! logs of all attempts at a job one after another (see [`layout`]).

mod appended;
mod index;
mod layout;
mod lines;
#[cfg(test)]
mod tests;
mod times;

use crate::blobs::format::count;
use crate::files;
use appended::Appended;
use async_trait::async_trait;
use layout::{Layout, Part};
use ropewalk_core::port::{BlobRef, Blobs, Landmark, LogRef, LogSlice, LogTime, Logs, Seek, StoreError};
use ropewalk_model::ids::{AttemptId, JobId};
use ropewalk_model::link::{LogFile, LogPiece};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// From a change of the contents of some log to the look at the own one.
const LULL: Duration = Duration::from_millis(200);

/// What one attempt adds to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its log, once the attempt has ended and its logs have become blobs.
    pub blob: Option<BlobRef>,
}

/// What a file of a log is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Oldest first. A later one begins only after the earlier ones have ended.
    pub chapters: Vec<Chapter>,
    /// No byte will be added any more.
    pub complete: bool,
}

/// Knows what logs are made of: the database.
#[async_trait]
pub trait LogIndex: Send + Sync {
    /// What a file of a job's log is made of now; chapter by chapter the same attempts for each of its files.
    async fn contents(&self, job: JobId, file: LogFile) -> Result<Contents, StoreError>;
    /// Resolves after the contents of any log may have changed since this call.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Whether an attempt has ended, with a report or without.
    async fn ended(&self, attempt: AttemptId) -> Result<bool, StoreError>;
    /// Keeps the sealed logs of an attempt that ended. Those that it keeps already stay.
    async fn keep(&self, attempt: AttemptId, logs: Vec<(LogFile, BlobRef)>) -> Result<(), StoreError>;
}

/// Logs in a folder of this machine.
#[derive(Clone)]
pub struct DiskLogs {
    appended: Arc<Appended>,
    blobs: Arc<dyn Blobs>,
    index: Arc<dyn LogIndex>,
}

impl DiskLogs {
    /// Opens the folder, made if it is missing.
    pub async fn open(
        folder: &Path,
        blobs: Arc<dyn Blobs>,
        index: Arc<dyn LogIndex>,
    ) -> Result<DiskLogs, StoreError> {
        let folder = folder.to_owned();
        let appended = files::blocking(move || Appended::open(&folder)).await?;
        Ok(DiskLogs { appended: Arc::new(appended), blobs, index })
    }

    /// Brings the logs of an ended attempt to where the database knows them, and removes their files.
    async fn put_away(&self, attempt: AttemptId) -> Result<(), StoreError> {
        let appended = self.appended.clone();
        files::blocking(move || {
            appended.close(attempt);
            Ok(())
        })
        .await?;
        let sealed = self.seal(attempt).await?;
        self.index.keep(attempt, sealed).await?;
        self.discard(attempt).await
    }

    /// How a log is laid out now. All chapters but the last are closed by this, so that nothing that follows them
    /// ever moves.
    async fn layout(&self, log: LogRef) -> Result<(Layout, Contents), StoreError> {
        let mut contents = self.index.contents(log.job, LogFile::Text(log.log)).await?;
        let mut sizes = self.sizes(log, &contents).await?;
        // A file may have become a blob, and be gone, since the index was asked.
        while sizes.contains(&None) {
            let again = self.index.contents(log.job, LogFile::Text(log.log)).await?;
            sizes = self.sizes(log, &again).await?;
            if again == contents {
                break;
            }
            contents = again;
        }
        let sizes = sizes.into_iter().map(Option::unwrap_or_default);
        Ok((Layout::new(log.job, sizes), contents))
    }

    /// Bytes of each chapter; none where there is neither a blob nor a file.
    async fn sizes(&self, log: LogRef, contents: &Contents) -> Result<Vec<Option<u64>>, StoreError> {
        let (appended, chapters) = (self.appended.clone(), contents.chapters.clone());
        files::blocking(move || {
            let last = chapters.len().saturating_sub(1);
            let size = |(at, chapter): (usize, &Chapter)| match &chapter.blob {
                Some(blob) => Ok(Some(blob.size)),
                None => {
                    if at < last {
                        appended.close(chapter.attempt);
                    }
                    appended.size(chapter.attempt, LogFile::Text(log.log))
                }
            };
            chapters.iter().enumerate().map(size).collect()
        })
        .await
    }

    async fn try_read(&self, log: LogRef, from: u64, length: usize) -> Result<LogSlice, StoreError> {
        let (layout, contents) = self.layout(log).await?;
        let mut bytes = Vec::new();
        for part in layout.parts_from(from) {
            let missing = length - bytes.len();
            let (start, left) = part.range(from + bytes.len() as u64);
            let wanted = usize::try_from(left).unwrap_or(missing).min(missing);
            if wanted == 0 {
                break;
            }
            let read = self.read_part(log, &contents, part, start, wanted).await?;
            if read.len() != wanted {
                return Err(StoreError::Corrupt(format!(
                    "the log of job {} lost bytes that it had",
                    log.job
                )));
            }
            bytes.extend(read);
        }
        Ok(LogSlice { bytes, size: layout.size(), complete: contents.complete })
    }

    async fn try_landmark(&self, log: LogRef, seek: Seek) -> Result<Landmark, StoreError> {
        let (layout, contents) = self.layout(log).await?;
        let mut before = Landmark::default();
        for part in layout.parts_from(0) {
            let within = match seek {
                Seek::Offset(offset) => Seek::Offset(offset.saturating_sub(before.offset)),
                Seek::Newlines(newlines) => Seek::Newlines(newlines.saturating_sub(before.newlines)),
            };
            let (found, newlines) = self.landmark_in(log, &contents, part, within).await?;
            let length = part.range(0).1;
            let place = Landmark {
                offset: before.offset + found.offset.min(length),
                newlines: before.newlines + found.newlines,
            };
            before = Landmark { offset: before.offset + length, newlines: before.newlines + newlines };
            let is_here = match seek {
                Seek::Offset(offset) => offset < before.offset,
                Seek::Newlines(newlines) => newlines <= before.newlines,
            };
            if is_here {
                return Ok(place);
            }
        }
        Ok(before)
    }

    /// A landmark within a part, and all newlines of the part.
    async fn landmark_in(
        &self,
        log: LogRef,
        contents: &Contents,
        part: &Part,
        seek: Seek,
    ) -> Result<(Landmark, u64), StoreError> {
        let Some(chapter) = part.chapter.and_then(|at| contents.chapters.get(at)) else {
            return Ok((Landmark::default(), count(part.mark.as_bytes()) as u64));
        };
        match &chapter.blob {
            Some(blob) => {
                let all = self.blobs.landmark(blob, Seek::Offset(blob.size)).await?.newlines;
                Ok((self.blobs.landmark(blob, seek).await?, all))
            }
            None => {
                let (appended, attempt) = (self.appended.clone(), chapter.attempt);
                files::blocking(move || appended.landmark(attempt, LogFile::Text(log.log), seek)).await
            }
        }
    }

    async fn read_part(
        &self,
        log: LogRef,
        contents: &Contents,
        part: &Part,
        from: u64,
        length: usize,
    ) -> Result<Vec<u8>, StoreError> {
        let Some(chapter) = part.chapter.and_then(|at| contents.chapters.get(at)) else {
            let mark = part.mark.as_bytes().iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
            return Ok(mark.take(length).copied().collect());
        };
        match &chapter.blob {
            Some(blob) => self.blobs.read(blob, from, length).await,
            None => {
                let (appended, attempt) = (self.appended.clone(), chapter.attempt);
                files::blocking(move || appended.read(attempt, LogFile::Text(log.log), from, length)).await
            }
        }
    }
}

#[async_trait]
impl Logs for DiskLogs {
    async fn append(&self, piece: &LogPiece) -> Result<u64, StoreError> {
        let (appended, piece) = (self.appended.clone(), piece.clone());
        files::blocking(move || appended.append(&piece)).await
    }

    async fn seal(&self, attempt: AttemptId) -> Result<Vec<(LogFile, BlobRef)>, StoreError> {
        let appended = self.appended.clone();
        let logs = files::blocking(move || appended.logs(attempt)).await?;
        let mut sealed = Vec::new();
        ropewalk_model::fault::visit(ropewalk_model::fault::Point::LogBeforeSeal);
        for (log, path) in logs {
            sealed.push((log, self.blobs.put_file(&path).await?));
        }
        ropewalk_model::fault::visit(ropewalk_model::fault::Point::LogAfterSeal);
        Ok(sealed)
    }

    async fn discard(&self, attempt: AttemptId) -> Result<(), StoreError> {
        let appended = self.appended.clone();
        files::blocking(move || appended.discard(attempt)).await
    }

    async fn tidy(&self) -> Result<usize, StoreError> {
        let appended = self.appended.clone();
        let mut tidied = 0;
        for attempt in files::blocking(move || appended.attempts()).await? {
            if !self.index.ended(attempt).await? {
                continue;
            }
            match self.put_away(attempt).await {
                Ok(()) => tidied += 1,
                // Its finish may be under way; the others are not to wait for it.
                Err(error) => tracing::warn!(%attempt, "its log files stay for now: {error}"),
            }
        }
        Ok(tidied)
    }

    async fn read(&self, log: LogRef, from: u64, length: usize) -> Result<LogSlice, StoreError> {
        match self.try_read(log, from, length).await {
            // Its file became a blob after the look at it, which happens once to an attempt.
            Err(StoreError::Missing(_)) => {}
            read => return read,
        }
        self.try_read(log, from, length).await
    }

    async fn landmark(&self, log: LogRef, seek: Seek) -> Result<Landmark, StoreError> {
        match self.try_landmark(log, seek).await {
            // As above.
            Err(StoreError::Missing(_)) => {}
            found => return found,
        }
        self.try_landmark(log, seek).await
    }

    async fn times(&self, log: LogRef, from: u64, to: u64) -> Result<Vec<LogTime>, StoreError> {
        self.read_times(log, from, to).await
    }

    async fn grown(&self, log: LogRef, known: u64) {
        loop {
            // Both ears are opened before the look, so that nothing falls between.
            let changed = self.index.changed();
            let Ok(contents) = self.index.contents(log.job, LogFile::Text(log.log)).await else { return };
            let last = contents.chapters.last().filter(|chapter| chapter.blob.is_none());
            let growth =
                last.map(|chapter| self.appended.growth(chapter.attempt, LogFile::Text(log.log))).transpose();
            let Ok(growth) = growth else { return };
            match self.layout(log).await {
                Ok((layout, contents)) if !contents.complete && layout.size() <= known => {}
                // Longer, complete, or an error that the reader shall see.
                _ => return,
            }
            let grows = async {
                match growth {
                    // An error is the end of the file: look again.
                    Some(mut growth) => drop(growth.changed().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = grows => {}
                // Changes of any log are told to all: on a busy farm their readers do not all look at each of them.
                () = async { changed.await; tokio::time::sleep(LULL).await } => {}
            }
        }
    }
}
