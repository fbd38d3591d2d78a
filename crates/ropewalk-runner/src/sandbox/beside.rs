//! Limits of programs that isolate what they run themselves.

use super::cgroup::{self, Prepared};
use super::watch::{Breach, WATCH_INTERVAL, Watch};
use super::{Limits, SandboxError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to forget processes that are gone.
const EMPTYING: Duration = Duration::from_secs(2);

/// The limits of one such program and of all that it starts.
pub(crate) struct Beside {
    name: String,
    limits: Limits,
    /// None where the host lets us make none.
    groups: Option<Prepared>,
    /// None until it has been started.
    watch: Option<Watch>,
    looked: Instant,
}

impl Beside {
    /// Prepares what limits a program that is not started yet.
    pub(crate) fn prepare(name: String, limits: Limits) -> Beside {
        let groups = cgroup::prepare(&name, &limits);
        Beside { name, limits, groups, watch: None, looked: Instant::now() }
    }

    /// What the process does before it becomes the program: nothing that the program starts, however early, is outside.
    pub(crate) fn entering(&self) -> impl Fn() -> std::io::Result<()> + Send + Sync + 'static {
        let enter = self.groups.as_ref().map(Prepared::entering);
        move || {
            if let Some(enter) = &enter {
                enter();
            }
            Ok(())
        }
    }

    /// Whether [`Beside::watch`] was called.
    pub(crate) fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// Begins to watch the program, which runs as `root`. `folders` are those that it writes into, on the disk of
    /// `place`. A program that could not enter its groups is watched as where there are none.
    pub(crate) fn watch(
        &mut self,
        root: i32,
        place: &Path,
        folders: Vec<PathBuf>,
    ) -> Result<(), SandboxError> {
        let group = self.groups.as_ref().and_then(|groups| groups.holds(root));
        self.watch = Some(Watch::over(root, &self.limits, (place, folders), group)?);
        self.looked = Instant::now();
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
        self.watch.as_mut().and_then(Watch::look)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let (groups, began) = (cgroup::groups(&self.name), Instant::now());
        while !cgroup::remove(&groups) && began.elapsed() < EMPTYING {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
