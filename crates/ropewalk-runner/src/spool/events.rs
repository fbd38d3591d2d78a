//! `events.jsonl`: the facts of an attempt, one JSON object a line, numbered from 1 without gaps.
//!
//! A line counts once its line feed is there. What a crash or a full disk left after the last one is blanked and written
//! over by the next writer, and never shown to a reader. It is not cut off: that would give the blocks back that are
//! reserved after it.

use super::{At, Spool, SpoolError};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::AttemptFact;
use ropewalk_model::time::Time;
use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const NAME: &str = "events.jsonl";
/// Bytes kept free past the end of the file, so that an attempt can still end on a full disk.
const RESERVE: u64 = 64 << 10;

/// Overwrites what is torn at the end with zeros, which are no line, and goes back to where the next line begins. That
/// takes no new block.
pub(super) fn blank(file: &mut File, length: u64) -> std::io::Result<()> {
    let torn = file.metadata()?.len().saturating_sub(length);
    file.seek(SeekFrom::Start(length))?;
    std::io::copy(&mut std::io::repeat(0).take(torn), file)?;
    file.seek(SeekFrom::Start(length)).map(drop)
}

/// A numbered fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// From 1 without gaps.
    pub number: i64,
    /// By the runner's clock.
    pub at: Time,
    /// What happened.
    #[serde(flatten)]
    pub fact: AttemptFact,
}

/// Makes the empty file with room for what comes.
pub(super) fn reserve(spool: &Path) -> Result<(), SpoolError> {
    let path = spool.join(NAME);
    let file = File::create(&path).at("create", &path)?;
    ahead(&file, 0).at("reserve room in", &path)
}

fn ahead(file: &File, length: u64) -> std::io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, length, RESERVE) {
        // A file system that cannot reserve: then a full disk may lose the attempt, which is retried.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        other => Ok(other?),
    }
}

/// The one writer: the supervisor, or after its death whoever holds the lock.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    last: i64,
    length: u64,
    reserved: u64,
}

impl Writer {
    /// Opens the file after its last whole line.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(spool: &Spool) -> Result<Writer, SpoolError> {
        let path = spool.path().join(NAME);
        let (lines, length) = read_from(&path, 0)?;
        let mut file = File::options().write(true).open(&path).at("open", &path)?;
        blank(&mut file, length).at("write over the torn end of", &path)?;
        let last = lines.last().map_or(0, |line| line.number);
        let reserved = if ahead(&file, length).is_ok() { length + RESERVE } else { 0 };
        Ok(Writer { file, path, last, length, reserved })
    }

    /// Appends a fact; with `durable` it is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written; it counts for no reader then.
    pub fn append(&mut self, fact: AttemptFact, durable: bool) -> Result<(), SpoolError> {
        let line = Line { number: self.last + 1, at: Time::from(SystemTime::now()), fact };
        let mut text = serde_json::to_vec(&line)
            .map_err(|e| SpoolError::Malformed { path: self.path.clone(), why: e.to_string() })?;
        text.push(b'\n');
        visit(Point::SupervisorBeforeEvent);
        if let Err(error) = self.file.write_all(&text) {
            let _ = blank(&mut self.file, self.length);
            return Err(error).at("append to", &self.path);
        }
        self.length += text.len() as u64;
        self.last = line.number;
        if durable {
            self.file.sync_data().at("sync", &self.path)?;
        }
        visit(Point::SupervisorAfterEvent);
        Ok(())
    }

    /// Keeps the room for what must still be written when the disk is full.
    ///
    /// # Errors
    /// When the disk is full: what was reserved before is still there.
    pub fn keep_reserve(&mut self) -> Result<(), SpoolError> {
        if self.length + RESERVE / 2 > self.reserved {
            ahead(&self.file, self.length).at("reserve room in", &self.path)?;
            self.reserved = self.length + RESERVE;
        }
        Ok(())
    }
}

impl Spool {
    /// The whole lines from byte `offset` on, and the offset after them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn events_from(&self, offset: u64) -> Result<(Vec<Line>, u64), SpoolError> {
        read_from(&self.path().join(NAME), offset)
    }
}

impl Spool {
    /// Whether the attempt's end is written.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn has_ended(&self) -> Result<bool, SpoolError> {
        let (lines, _) = self.events_from(0)?;
        Ok(lines.last().is_some_and(|line| matches!(line.fact, AttemptFact::Ended { .. })))
    }
}

fn read_from(path: &Path, offset: u64) -> Result<(Vec<Line>, u64), SpoolError> {
    let mut file = File::open(path).at("open", path)?;
    file.seek(SeekFrom::Start(offset)).at("seek in", path)?;
    let mut bytes = vec![];
    file.read_to_end(&mut bytes).at("read", path)?;
    let (mut lines, mut end) = (vec![], offset);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        // A power failure may leave a line's length without its bytes: nothing after it counts.
        let Ok(fact) = serde_json::from_slice(line) else { break };
        if !line.ends_with(b"\n") {
            break;
        }
        lines.push(fact);
        end += line.len() as u64;
    }
    Ok((lines, end))
}
