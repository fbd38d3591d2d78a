//! What a build prints: from pipes, masked, within limits, into the logs of the spool.

use super::log::Log;
use super::redact::{Patterns, Redactor};
use super::stop::Stop;
use crate::spool::Spool;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::LogName;
use ropewalk_model::status::Cause;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write;
use std::path::PathBuf;

/// Bytes that are taken from a pipe at once.
const PIECE: usize = 64 << 10;
/// Pieces that are taken at most when a script has ended: something left in the background may print
/// for ever, and a pipe holds no more than 1 MiB.
const DRAIN: usize = 16;

/// All logs of an attempt.
pub(crate) struct Logs {
    folder: PathBuf,
    patterns: Patterns,
    limits: BuildLimits,
    /// Bytes of output so far, marks not counted.
    total: u64,
    logs: BTreeMap<LogName, Log>,
    /// One for each script whose output is still open.
    pipes: Vec<Pipe>,
    terminal: Option<Terminal>,
}

struct Pipe {
    fd: OwnedFd,
    log: LogName,
    redactor: Redactor,
}

/// Standard output, for a build that belongs to a terminal: all logs in the order in which they grow.
struct Terminal {
    at_line_start: bool,
}

enum Taken {
    Some,
    Nothing,
    End,
}

impl Logs {
    pub(crate) fn new(spool: &Spool, patterns: Patterns, limits: BuildLimits) -> Logs {
        let terminal = spool.head.settings.tethered.then_some(Terminal { at_line_start: true });
        let folder = spool.logs();
        Logs { folder, patterns, limits, total: 0, logs: BTreeMap::new(), pipes: vec![], terminal }
    }

    /// A pipe whose bytes go to this log. Answers the end for the script.
    pub(crate) fn pipe_to(&mut self, log: LogName) -> Result<OwnedFd, Stop> {
        let made = pipe_with(PipeFlags::CLOEXEC).and_then(|(ours, theirs)| {
            fcntl_setfl(&ours, OFlags::NONBLOCK)?;
            Ok((ours, theirs))
        });
        let failed = |e| Stop::new(Cause::Infrastructure, format_args!("cannot make a pipe: {e}"));
        let (fd, theirs) = made.map_err(failed)?;
        self.pipes.push(Pipe { fd, log, redactor: Redactor::default() });
        Ok(theirs)
    }

    /// What to poll.
    pub(crate) fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|pipe| pipe.fd.as_fd())
    }

    /// Takes a piece from each pipe that has one.
    pub(crate) fn pump(&mut self) -> Result<(), Stop> {
        self.take(1)
    }

    /// Takes what is in the pipes now, and no more.
    pub(crate) fn drain(&mut self) -> Result<(), Stop> {
        self.take(DRAIN)
    }

    /// A pipe whose last writer is gone is dropped.
    fn take(&mut self, pieces: usize) -> Result<(), Stop> {
        let mut result = Ok(());
        let mut pipes = std::mem::take(&mut self.pipes);
        pipes.retain_mut(|pipe| {
            for _ in 0..pieces {
                match self.take_one(pipe) {
                    Ok(Taken::Some) => {}
                    Ok(Taken::Nothing) => break,
                    Ok(Taken::End) => return false,
                    Err(stop) => {
                        result = Err(stop);
                        break;
                    }
                }
            }
            true
        });
        self.pipes = pipes;
        result
    }

    fn take_one(&mut self, pipe: &mut Pipe) -> Result<Taken, Stop> {
        let mut piece = vec![0; PIECE];
        let mut shown = vec![];
        let taken = match rustix::io::read(&pipe.fd, &mut piece) {
            Ok(0) => {
                pipe.redactor.finish(&self.patterns, &mut shown);
                Taken::End
            }
            Ok(count) => {
                let bytes = piece.get(..count).unwrap_or_default();
                pipe.redactor.feed(&self.patterns, bytes, &mut shown);
                Taken::Some
            }
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Taken::Nothing),
            Err(error) => {
                return Err(Stop::new(Cause::Infrastructure, format_args!("cannot read output: {error}")));
            }
        };
        self.keep(pipe.log, &shown)?;
        Ok(taken)
    }

    /// Takes output that came another way. It is not masked.
    pub(crate) fn append(&mut self, log: LogName, bytes: &[u8]) -> Result<(), Stop> {
        self.keep(log, bytes)
    }

    /// Writes what fits into both limits.
    fn keep(&mut self, name: LogName, bytes: &[u8]) -> Result<(), Stop> {
        let (log_step, log_job) = (self.limits.log_step, self.limits.log_job);
        let log = self.log(name)?;
        let step_room = log_step.saturating_sub(log.length());
        let job_room = log_job.saturating_sub(self.total);
        let room = usize::try_from(job_room.min(step_room)).unwrap_or(usize::MAX);
        let kept = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.total += kept.len() as u64;
        self.log(name)?.append(kept)?;
        self.show(kept)?;
        if kept.len() == bytes.len() {
            return Ok(());
        }
        Err(Stop::new(Cause::LogLimit, too_long(step_room <= job_room, log_step, log_job)))
    }

    fn log(&mut self, name: LogName) -> Result<&mut Log, Stop> {
        match self.logs.entry(name) {
            Entry::Occupied(log) => Ok(log.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(Log::open(&self.folder, name)?)),
        }
    }

    /// Writes a line of our own into the setup log, from its first column; limits do not hold it back.
    pub(crate) fn mark(&mut self, line: &str) -> Result<(), Stop> {
        let line = self.masked(line);
        let log = self.log(LogName::Setup)?;
        let gap = if log.at_line_start() { "" } else { "\n" };
        log.append(format!("{gap}{line}\n").as_bytes())?;
        let gap = if self.terminal.as_ref().is_none_or(|t| t.at_line_start) { "" } else { "\n" };
        self.show(format!("{gap}{line}\n").as_bytes())
    }

    /// Masks secrets in a text of our own.
    pub(crate) fn masked(&self, text: &str) -> String {
        let (mut shown, mut redactor) = (vec![], Redactor::default());
        redactor.feed(&self.patterns, text.as_bytes(), &mut shown);
        redactor.finish(&self.patterns, &mut shown);
        String::from_utf8(shown).unwrap_or_else(|_| "(not shown: it holds a part of a secret)".into())
    }

    /// Makes what was written so far survive a power failure.
    pub(crate) fn sync(&self) -> Result<(), Stop> {
        self.logs.values().try_for_each(Log::sync)
    }

    fn show(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let (Some(terminal), Some(last)) = (&mut self.terminal, bytes.last()) else { return Ok(()) };
        terminal.at_line_start = *last == b'\n';
        let mut out = std::io::stdout().lock();
        let unread = |e| Stop::new(Cause::Cancelled, format_args!("nobody reads the output any more: {e}"));
        out.write_all(bytes).and_then(|()| out.flush()).map_err(unread)
    }
}

fn too_long(step: bool, log_step: u64, log_job: u64) -> String {
    if step {
        format!("the log of one step would be longer than {log_step} bytes (limits.log-step)")
    } else {
        format!("the logs of the job would be longer than {log_job} bytes together (limits.log-job)")
    }
}
