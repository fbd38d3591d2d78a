//! Watching the limits that the kernel does not enforce here, and those whose breach a step could
//! survive.

mod disk;
mod files;
mod memory;
mod process;
mod shortage;
mod stores;
mod tree;
mod written;

pub(crate) use written::Written;

use super::cgroup::Group;
use super::{Doing, Limits, SandboxError, Spec};
use rustix::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often [`super::Sandbox::breach`] should be asked.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// A limit that was passed. The whole sandbox has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// More memory than allowed, or a process was ended by the kernel for want of it.
    #[error("memory limit reached: {used} of {limit} bytes used")]
    Memory {
        /// Bytes in use when it was noticed.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The machine's memory is all but used up, and the sandbox has used it or cannot say who has.
    #[error("the machine's memory is used up: {available} bytes of it are available")]
    Starved {
        /// Bytes that are available.
        available: u64,
    },
    /// The sandbox's files take more of the disk than allowed.
    #[error("disk limit reached: {used} of {limit} bytes used")]
    Disk {
        /// Bytes in use when it was noticed.
        used: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The disk under the sandbox is all but full, and the sandbox filled it or cannot say who did.
    #[error("the disk under the sandbox is full: {free} bytes are left of it")]
    Full {
        /// Bytes that are left.
        free: u64,
    },
}

/// All processes below `root`, without it.
pub(crate) fn pids_below(root: i32) -> Vec<i32> {
    tree::below(root).into_iter().map(|process| process.pid).collect()
}

/// A portion of a processor's time (not of the clock's: the machine may be busy with others).
struct Portion {
    began: Duration,
    most: Duration,
}

impl Portion {
    fn of(most: Duration) -> Portion {
        Portion { began: processor_time(), most }
    }

    fn lasts(&self) -> bool {
        processor_time().saturating_sub(self.began) < self.most
    }
}

/// What this thread has taken of a processor so far.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// What is known about a running sandbox's use of memory and disk.
#[derive(Debug)]
pub(super) struct Watch {
    memory: memory::Memory,
    disk: disk::Disk,
}

impl Watch {
    pub(super) fn new(spec: &Spec, init: i32, group: Option<Group>) -> Result<Watch, SandboxError> {
        Ok(Watch {
            memory: memory::Memory::new(init, spec.limits.memory, group).doing("make a file in memory")?,
            disk: disk::Disk::new(init, &spec.layer, spec.limits.disk)?,
        })
    }

    /// The same for the processes below `root`, which is in no sandbox of ours and writes into `folders`.
    pub(super) fn over(
        root: i32,
        limits: &Limits,
        (place, folders): (&Path, Vec<PathBuf>),
        group: Option<Group>,
    ) -> Result<Watch, SandboxError> {
        Ok(Watch {
            memory: memory::Memory::new(root, limits.memory, group).doing("make a file in memory")?,
            disk: disk::Disk::over(root, place, folders, limits.disk)?,
        })
    }

    /// Takes what holds memory besides processes: descriptors that the sandbox's init handed out.
    pub(super) fn add(&mut self, stores: Vec<OwnedFd>) {
        let stores = stores::Stores::new(stores);
        self.disk.pass_over(stores.devices());
        self.memory.add(stores);
    }

    /// Whether the kernel limits the memory of all processes together.
    pub(super) fn memory_enforced(&self) -> bool {
        self.memory.enforced()
    }

    /// The first limit that is found passed. Takes milliseconds for an ordinary build and less than a second of a
    /// processor for any: what a look does not come to, the next one does.
    pub(super) fn look(&mut self) -> Option<Breach> {
        self.memory.look().or_else(|| self.disk.look())
    }
}
