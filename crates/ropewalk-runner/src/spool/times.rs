//! When the bytes of a log came, in a file beside it; [`log_times`](ropewalk_model::log_times) says how.

use super::{At, SpoolError, times_file};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::LogName;
use ropewalk_model::log_times::{HEADER, NOTE_BYTES, Note, pace};
use ropewalk_model::time::Time;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The times of one log, appended.
pub(crate) struct Times {
    file: File,
    path: PathBuf,
    /// Notes in the file.
    notes: u64,
    /// When the last one was written, by a clock that nobody sets.
    last: Option<Instant>,
    /// A note was cut off, by a full disk: those behind it could not be read.
    is_torn: bool,
}

impl Times {
    /// Goes on where the file ends.
    pub(crate) fn open(logs: &Path, log: LogName) -> Result<Times, SpoolError> {
        let path = logs.join(times_file(log));
        let file = File::options().create(true).append(true).open(&path).at("open", &path)?;
        let length = file.metadata().at("look at", &path)?.len();
        let whole = length / NOTE_BYTES as u64;
        Ok(Times {
            file,
            path,
            notes: whole.saturating_sub(1),
            last: None,
            is_torn: length % NOTE_BYTES as u64 != 0,
        })
    }

    /// Notes that bytes from `offset` on come now, unless the last note is so young that it holds for them too.
    pub(crate) fn note(&mut self, offset: u64) -> Result<(), SpoolError> {
        let is_young = self.last.is_some_and(|last| last.elapsed() < pace(self.notes));
        if is_young || self.is_torn {
            return Ok(());
        }
        let note = Note { offset, at: Time::from(SystemTime::now()) };
        visit(Point::SupervisorBeforeTime);
        let length = self.file.metadata().at("look at", &self.path)?.len();
        let header: &[u8] = if length == 0 { &HEADER } else { &[] };
        self.file.write_all(&[header, &note.to_bytes()].concat()).at("append to", &self.path)?;
        visit(Point::SupervisorAfterTime);
        self.notes += 1;
        self.last = Some(Instant::now());
        Ok(())
    }

    /// Makes them survive a power failure.
    pub(crate) fn sync(&self) -> Result<(), SpoolError> {
        self.file.sync_data().at("sync", &self.path)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use ropewalk_model::log_times::read;
    use std::time::Duration;

    #[test]
    fn a_note_is_made_at_most_every_tenth_of_a_second_and_after_each_pause() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(times_file(LogName::Step(2)));
        let before = Time::from(SystemTime::now());
        let mut times = Times::open(folder.path(), LogName::Step(2)).unwrap();
        for offset in 0..1000 {
            times.note(offset).unwrap();
        }
        let burst = read(&std::fs::read(&path).unwrap());
        assert!(burst.len() < 500 && burst[0].offset == 0 && burst[0].at >= before, "{burst:?}");
        times.last = Instant::now().checked_sub(Duration::from_millis(100));
        times.note(5000).unwrap();
        // Another process goes on in it: an agent that marks the end of a supervisor that was killed.
        Times::open(folder.path(), LogName::Step(2)).unwrap().note(6000).unwrap();
        let all = read(&std::fs::read(&path).unwrap());
        let last: Vec<u64> = all.iter().rev().take(2).map(|note| note.offset).collect();
        assert_eq!((last, all.len()), (vec![6000, 5000], burst.len() + 2));
    }

    #[test]
    fn nothing_is_written_behind_half_a_note() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(times_file(LogName::Setup));
        std::fs::write(&path, &HEADER[..7]).unwrap();
        Times::open(folder.path(), LogName::Setup).unwrap().note(0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), &HEADER[..7]);
    }
}
