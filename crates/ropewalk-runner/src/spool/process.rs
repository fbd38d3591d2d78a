//! Processes of an attempt, written down so that an agent that did not start them can wait for their end, or end them.
//!
//! Liveness of an attempt is judged by the lock alone. But the kernel closes the lock of a dying init
//! a moment before it has ended the other processes of the namespace; only when the init itself is
//! reaped, or waits to be, is nothing of them left. And a supervisor that was stopped holds its lock
//! and does nothing more.

use super::{At, Spool, SpoolError, read_json, write_whole};
use crate::sandbox::cgroup;
use ropewalk_model::fault::{Point, visit};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

const SUPERVISOR: &str = "supervisor.json";
const INIT: &str = "init.json";
const ACCOUNT: &str = "account.json";

/// A process, told from later ones with the same number by its time of start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Clock ticks after the boot: field 22 of `/proc/PID/stat`.
    pub start: u64,
}

impl Process {
    /// The process that has this id now.
    #[must_use]
    pub fn of(pid: i32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let zombie = fields.next()? == "Z";
        let start = fields.nth(18)?.parse().ok()?;
        (!zombie).then_some(Process { pid, start })
    }

    /// Whether it still runs, or is stopped.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Process::of(self.pid) == Some(self)
    }

    /// Kills it, and never another one that has its number by now.
    ///
    /// # Errors
    /// When the system refuses to; a process that is gone is no error.
    pub fn kill(self) -> std::io::Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(()) };
        let gone = |error: Errno| if error == Errno::SRCH { Ok(()) } else { Err(error.into()) };
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(error) => return gone(error),
        };
        // Only now: the descriptor stays with the process that had the number when it was opened.
        if !self.is_alive() {
            return Ok(());
        }
        pidfd_send_signal(&process, Signal::KILL).or_else(gone)
    }
}

/// The content of `supervisor.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervisor {
    /// Itself.
    pub process: Process,
    /// When it ends the build, in milliseconds of the kernel's monotonic clock, which all processes share until the
    /// next boot.
    pub deadline: u64,
    /// Folders of the control groups that its sandbox has where it may have any: with version 2 they depend on the
    /// group that the supervisor is in.
    pub groups: Vec<PathBuf>,
    /// It collects artifacts or ends the build: what takes longer than usual now is the disk.
    #[serde(default)]
    pub is_concluding: bool,
}

impl Supervisor {
    /// How long it has until its deadline; zero when that has passed.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        Duration::from_millis(self.deadline.saturating_sub(monotonic()))
    }
}

/// Milliseconds of the monotonic clock.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (seconds, rest) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1000).saturating_add(rest / 1_000_000)
}

impl Spool {
    /// Notes the calling process as the supervisor, with `build_time` seconds from now on. Lost with the next boot,
    /// after which it says nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_supervisor(&self, build_time: u64) -> Result<(), SpoolError> {
        let Some(process) = Process::of(std::process::id().cast_signed()) else {
            return Err(SpoolError::Malformed { path: "/proc/self/stat".into(), why: "no such file".into() });
        };
        let deadline = monotonic().saturating_add(build_time.saturating_mul(1000));
        let groups = cgroup::groups(&self.name());
        self.write_supervisor(&Supervisor { process, deadline, groups, is_concluding: false })
    }

    /// Notes that the supervisor, which has noted itself, collects artifacts or ends the build.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_conclusion(&self) -> Result<(), SpoolError> {
        match self.supervisor() {
            Some(noted) if !noted.is_concluding => {
                self.write_supervisor(&Supervisor { is_concluding: true, ..noted })
            }
            _ => Ok(()),
        }
    }

    fn write_supervisor(&self, supervisor: &Supervisor) -> Result<(), SpoolError> {
        let path = self.path().join(SUPERVISOR);
        let text = serde_json::to_vec(supervisor)
            .map_err(|e| SpoolError::Malformed { path: path.clone(), why: e.to_string() })?;
        let new = path.with_extension("new");
        visit(Point::SupervisorBeforeWrite);
        std::fs::write(&new, text).at("write", &new)?;
        std::fs::rename(&new, &path).at("rename to", &path)?;
        visit(Point::SupervisorAfterWrite);
        Ok(())
    }

    /// The supervisor that has begun, if one has in this boot.
    #[must_use]
    pub fn supervisor(&self) -> Option<Supervisor> {
        self.of_this_boot(SUPERVISOR)
    }

    /// Notes the sandbox's init.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_init(&self, init: Process) -> Result<(), SpoolError> {
        let text = format!("{{\"pid\":{},\"start\":{}}}", init.pid, init.start);
        visit(Point::SupervisorBeforeWrite);
        write_whole(&self.path().join(INIT), text.as_bytes())?;
        visit(Point::SupervisorAfterWrite);
        Ok(())
    }

    /// Notes the number, within the id range, of the account that the build has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn note_account(&self, number: u32) -> Result<(), SpoolError> {
        write_whole(&self.path().join(ACCOUNT), number.to_string().as_bytes())
    }

    /// The number of the build's account, if it got one in this boot.
    pub(crate) fn account(&self) -> Option<u32> {
        self.of_this_boot(ACCOUNT)
    }

    /// The sandbox's init, if one was noted in this boot.
    #[must_use]
    pub fn init(&self) -> Option<Process> {
        self.of_this_boot(INIT)
    }

    /// Of another boot only the number can be the same.
    fn of_this_boot<T: serde::de::DeserializeOwned>(&self, name: &str) -> Option<T> {
        if self.head.is_of_another_boot() {
            return None;
        }
        read_json(&self.path().join(name)).ok()
    }
}
