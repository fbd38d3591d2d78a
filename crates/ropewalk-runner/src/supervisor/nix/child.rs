//! A program of Nix's as a child of the supervisor, and everything that it starts.
//!
//! It holds the spool's lock, so the attempt does not count as dead while it lives. When the supervisor dies it gets
//! SIGTERM, on which it ends its builders. It is never killed before it had the chance: its builders would go on.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::unable;
use crate::sandbox::{OOM_SCORE_ADJ, pids_below};
use crate::spool::Process;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, pidfd_open, set_child_subreaper,
    set_parent_process_death_signal, waitpid,
};
use std::collections::HashSet;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long it may take to end what it started; it takes milliseconds.
const GENTLE: Duration = Duration::from_millis(1200);
/// How long what was killed may take to be gone.
const HARD: Duration = Duration::from_secs(10);
/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// Which of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Out,
    Err,
}

/// Takes what a program writes.
type Hear<'c, 'a> = &'c mut dyn FnMut(&mut Attempt<'a>, Channel, &[u8]) -> Result<(), Stop>;

/// What is done while a program runs.
pub(super) struct Care<'c, 'a> {
    pub(super) hear: Hear<'c, 'a>,
    /// Asked when it has been started and a few times a second after that, whether it may go on.
    pub(super) look: &'c mut dyn FnMut(&mut Attempt<'a>, i32) -> Result<(), Stop>,
}

struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    outputs: Vec<(Channel, OwnedFd)>,
    /// Processes below us that were there before.
    others: HashSet<i32>,
    status: Option<ExitStatus>,
}

impl<'a> Attempt<'a> {
    /// Runs a program to its end, or to the end of the attempt. Nothing that it started lives when this returns.
    pub(super) fn attend(&mut self, command: Command, mut care: Care<'_, 'a>) -> Result<ExitStatus, Stop> {
        let mut child = Child::start(command, self.lock.copy()?)?;
        let result = self.accompany(&mut child, &mut care);
        if result.is_err() {
            child.terminate();
            // What it writes now belongs to the log, and nobody must wait for a full pipe.
            let until = Instant::now() + GENTLE;
            while !child.has_ended() && Instant::now() < until {
                child.wait_a_moment();
                let _ = self.pump(&mut child, &mut care);
            }
        }
        child.sweep();
        let last = self.pump(&mut child, &mut care);
        result.and(last)?;
        child.status.ok_or_else(|| unable("a program of Nix's did not end when it was killed"))
    }

    fn accompany(&mut self, child: &mut Child, care: &mut Care<'_, 'a>) -> Result<(), Stop> {
        // For an agent that finds the supervisor dead.
        if let Some(process) = Process::of(child.pid.as_raw_nonzero().get()) {
            self.spool.note_init(process)?;
        }
        (care.look)(self, child.pid.as_raw_nonzero().get())?;
        while !child.has_ended() {
            let fds: Vec<_> = std::iter::once(child.pidfd.as_fd())
                .chain(child.outputs.iter().map(|(_, fd)| fd.as_fd()))
                .collect();
            self.watch.sleep_beside(&fds)?;
            self.pump(child, care)?;
            (care.look)(self, child.pid.as_raw_nonzero().get())?;
        }
        Ok(())
    }

    /// Takes what is in the pipes now.
    fn pump(&mut self, child: &mut Child, care: &mut Care<'_, 'a>) -> Result<(), Stop> {
        let mut piece = vec![0; PIECE];
        let mut result = Ok(());
        let mut outputs = std::mem::take(&mut child.outputs);
        outputs.retain(|(channel, fd)| {
            loop {
                match rustix::io::read(fd, &mut piece) {
                    Ok(0) => return false,
                    Ok(count) => {
                        let heard = (care.hear)(self, *channel, piece.get(..count).unwrap_or_default());
                        if heard.is_err() && result.is_ok() {
                            result = heard;
                        }
                        // The others, and an end of the attempt, have their turn.
                        if count < PIECE || result.is_err() {
                            return true;
                        }
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return true,
                    Err(_) => return false,
                }
            }
        });
        child.outputs = outputs;
        result
    }

    /// Runs a program for its answer, of at most `most` bytes.
    pub(super) fn ask(&mut self, command: Command, most: usize) -> Result<Vec<u8>, Stop> {
        let program = command.get_program().display().to_string();
        let (mut answer, mut errors) = (vec![], vec![]);
        let mut hear = |_: &mut Attempt<'a>, channel, bytes: &[u8]| {
            let (kept, most) = match channel {
                Channel::Out => (&mut answer, most),
                Channel::Err => (&mut errors, PIECE),
            };
            if kept.len() + bytes.len() > most && channel == Channel::Out {
                return Err(unable(format_args!("{program} answers more than {most} bytes")));
            }
            kept.extend_from_slice(bytes.get(..bytes.len().min(most - kept.len())).unwrap_or_default());
            Ok(())
        };
        let status = self.attend(command, Care { hear: &mut hear, look: &mut |_, _| Ok(()) })?;
        if status.success() {
            return Ok(answer);
        }
        let words = errors.trim_ascii().escape_ascii();
        Err(unable(format_args!("{program}: {status}: {words}")))
    }
}

impl Child {
    fn start(mut command: Command, lock: OwnedFd) -> Result<Child, Stop> {
        let failed = |error: Errno| unable(format_args!("cannot start a program of Nix's: {error}"));
        set_child_subreaper(Some(getpid())).map_err(failed)?;
        let others = pids_below(own()).into_iter().collect();
        let mut outputs = vec![];
        for channel in [Channel::Out, Channel::Err] {
            let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
            fcntl_setfl(&ours, OFlags::NONBLOCK).map_err(failed)?;
            match channel {
                Channel::Out => command.stdout(theirs),
                Channel::Err => command.stderr(theirs),
            };
            outputs.push((channel, ours));
        }
        // It reads nothing from there, but holds the lock for as long as it lives.
        command.stdin(lock).current_dir("/");
        let parent = getpid();
        // SAFETY: this process has one thread, and the closure calls the kernel only.
        unsafe {
            command.pre_exec(move || {
                // The kernel should end builds before anything else of the machine.
                let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
                take_signals_again();
                set_parent_process_death_signal(Some(Signal::TERM))?;
                // The supervisor may be dead already.
                if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
            });
        }
        let program = command.get_program().display().to_string();
        let child = command.spawn();
        let child = child.map_err(|error| unable(format_args!("cannot start {program}: {error}")))?;
        // The command holds the other ends of the pipes.
        drop(command);
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(failed)?;
        Ok(Child { pid, pidfd, outputs, others, status: None })
    }

    /// Whether it has ended; it is reaped then.
    fn has_ended(&mut self) -> bool {
        if self.status.is_none()
            && let Ok(Some((_, status))) = waitpid(Some(self.pid), WaitOptions::NOHANG)
        {
            self.status = Some(ExitStatus::from_raw(status.as_raw()));
        }
        self.status.is_some()
    }

    fn terminate(&mut self) {
        if !self.has_ended() {
            let _ = kill_process(self.pid, Signal::TERM);
        }
    }

    fn wait_a_moment(&self) {
        let fds = std::iter::once(self.pidfd.as_fd()).chain(self.outputs.iter().map(|(_, fd)| fd.as_fd()));
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
    }

    /// What it has started, and itself.
    fn below(&self) -> Vec<i32> {
        pids_below(own()).into_iter().filter(|pid| !self.others.contains(pid)).collect()
    }

    /// Kills what is left of it and of all that it started.
    fn sweep(&mut self) {
        let until = Instant::now() + HARD;
        loop {
            let found: Vec<Process> = self.below().into_iter().filter_map(Process::of).collect();
            // Below us again: the number has not become another process's before it was looked at.
            let left = self.below();
            for process in found.into_iter().filter(|process| left.contains(&process.pid)) {
                let _ = process.kill();
            }
            for pid in left.iter().filter_map(|pid| Pid::from_raw(*pid)) {
                // Orphans are our children; one that is not is reaped by its parent, or comes to us.
                if pid != self.pid {
                    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
                }
            }
            if (self.has_ended() && left.is_empty()) || Instant::now() > until {
                return;
            }
            self.wait_a_moment();
        }
    }
}

/// The supervisor hears of signals by a descriptor and blocks them. What builders inherited of that they could not be
/// ended by.
fn take_signals_again() {
    // SAFETY: `none` is written by the first call, and nothing here waits or allocates.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::signal(libc::SIGHUP, libc::SIG_DFL);
    }
}

fn own() -> i32 {
    getpid().as_raw_nonzero().get()
}
