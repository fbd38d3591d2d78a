//! Limits of programs that run one after another, each in a cell of its own, and write where others do.

use super::watch::{Breach, WATCH_INTERVAL, Watch, Written};
use super::{Limits, SandboxError, cgroup};
use rustix::process::getpid;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to forget processes that are gone.
const EMPTYING: Duration = Duration::from_secs(2);

/// The limits of all cells that this process starts.
pub(crate) struct Cells {
    name: String,
    limits: Limits,
    /// A folder on the disk that they write on.
    place: PathBuf,
    /// None before the first cell.
    watch: Option<Watch>,
    written: Written,
    looked: Instant,
}

impl Cells {
    /// `limits.disk` is how much all of them may write, whatever becomes of it.
    pub(crate) fn new(name: String, limits: Limits, place: &Path) -> Cells {
        let written = Written::default();
        Cells { name, limits, place: place.into(), watch: None, written, looked: Instant::now() }
    }

    /// Takes in the first process of a cell, which has begun nothing yet.
    pub(crate) fn join(&mut self, first: i32) -> Result<(), SandboxError> {
        let group = cgroup::join(&self.name, first, &self.limits);
        // Nobody can be in the group and not be counted: without it, all are.
        let is_needed = match &self.watch {
            None => true,
            Some(watch) => watch.memory_enforced() && group.is_none(),
        };
        if is_needed {
            // What is on the disk belongs to others too; only that it is full is looked for there.
            let limits = Limits { disk: u64::MAX, ..self.limits };
            self.watch = Some(Watch::over(own(), &limits, (&self.place, vec![]), group)?);
        }
        Ok(())
    }

    /// Which limit was passed; looked for a few times a second, however often this is asked.
    pub(crate) fn breach(&mut self) -> Option<Breach> {
        if self.looked.elapsed() < WATCH_INTERVAL {
            return None;
        }
        let found = self.last_breach();
        self.looked = Instant::now();
        found
    }

    /// The same right now.
    pub(crate) fn last_breach(&mut self) -> Option<Breach> {
        let limit = self.limits.disk;
        let used = self.written.below(own());
        let disk = || (used > limit).then_some(Breach::Disk { used, limit });
        self.watch.as_mut().and_then(Watch::look).or_else(disk)
    }
}

impl Drop for Cells {
    fn drop(&mut self) {
        let (groups, began) = (cgroup::groups(&self.name), Instant::now());
        while !cgroup::remove(&groups) && began.elapsed() < EMPTYING {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn own() -> i32 {
    getpid().as_raw_nonzero().get()
}
