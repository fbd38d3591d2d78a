//! Limits of programs that isolate what they run themselves.

use super::watch::{Breach, WATCH_INTERVAL, Watch};
use super::{Limits, SandboxError, cgroup};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to forget processes that are gone.
const EMPTYING: Duration = Duration::from_secs(2);

/// The limits of one such program and of all that it starts.
pub(crate) struct Beside {
    name: String,
    watch: Watch,
    looked: Instant,
}

impl Beside {
    /// Limits the process `root`, which has just been started. `folders` are those that it writes into, on the disk of
    /// `place`.
    pub(crate) fn limit(
        name: String,
        root: i32,
        limits: &Limits,
        place: &Path,
        folders: Vec<PathBuf>,
    ) -> Result<Beside, SandboxError> {
        let group = cgroup::join(&name, root, limits);
        let watch = Watch::over(root, limits, (place, folders), group)?;
        Ok(Beside { name, watch, looked: Instant::now() })
    }

    /// Which limit was passed; looked for a few times a second, however often this is asked.
    pub(crate) fn breach(&mut self) -> Option<Breach> {
        if self.looked.elapsed() < WATCH_INTERVAL {
            return None;
        }
        let found = self.watch.look();
        self.looked = Instant::now();
        found
    }

    /// The same right now.
    pub(crate) fn last_breach(&mut self) -> Option<Breach> {
        self.watch.look()
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
