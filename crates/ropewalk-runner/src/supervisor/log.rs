//! One log of the spool.

use super::stop::Stop;
use crate::spool::{At, SpoolError, Times, log_file};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::LogName;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// An appended file, and beside it when its bytes came.
pub(super) struct Log {
    file: File,
    times: Times,
    path: PathBuf,
    length: u64,
    at_line_start: bool,
}

impl Log {
    pub(super) fn open(folder: &Path, name: LogName) -> Result<Log, SpoolError> {
        let path = folder.join(log_file(name));
        let file = File::options().create(true).append(true).open(&path).at("open", &path)?;
        let times = Times::open(folder, name)?;
        Ok(Log { file, times, path, length: 0, at_line_start: true })
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn at_line_start(&self) -> bool {
        self.at_line_start
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let Some(last) = bytes.last() else { return Ok(()) };
        self.times.note(self.length)?;
        visit(Point::SupervisorBeforeLog);
        self.file.write_all(bytes).at("append to", &self.path)?;
        visit(Point::SupervisorAfterLog);
        self.length += bytes.len() as u64;
        self.at_line_start = *last == b'\n';
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), Stop> {
        self.file.sync_data().at("sync", &self.path)?;
        Ok(self.times.sync()?)
    }
}
