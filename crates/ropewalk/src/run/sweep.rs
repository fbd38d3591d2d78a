//! Removing spools, this run's and those of runs that were killed.

use anyhow::Context;
use ropewalk_runner::sandbox::cgroup;
use ropewalk_runner::spool::{Spool, sweep_unfinished};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: &str = "/proc/self/exe";
/// How long what is left of a killed build may take to be gone; it takes milliseconds.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// Held by every run while it lives: a spool whose supervisor has not begun yet is not locked itself.
pub(super) struct Present {
    _file: File,
}

/// Enters the folder of runs. Whoever is alone there first removes what killed runs left.
pub(super) fn enter(folder: &Path) -> anyhow::Result<Present> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
        sweep(folder);
    }
    flock(&file, FlockOperation::LockShared).with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(Present { _file: file })
}

fn sweep(folder: &Path) {
    sweep_unfinished(folder, Path::new(PROGRAM));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // A build whose run was killed may still be on its way out.
        if let Ok(spool) = Spool::open(&entry.path())
            && let Ok(_lock) = spool.lock()
        {
            remove(spool);
        }
    }
}

/// Removes a spool whose build is over. What cannot be removed now is tried again by the next run.
pub(super) fn remove(spool: Spool) {
    // Without the spool nobody would know of them.
    if remove_groups(&spool) {
        let _ = spool.remove_by(Path::new(PROGRAM));
    }
}

/// Removes the control groups that a killed supervisor left; false while something in them still lives.
fn remove_groups(spool: &Spool) -> bool {
    let noted = spool.supervisor().map(|supervisor| supervisor.groups);
    let groups = noted.unwrap_or_else(|| cgroup::groups(&spool.name()));
    let until = Instant::now() + LAST_BREATH;
    loop {
        let gone = cgroup::remove(&groups);
        if gone || Instant::now() >= until {
            return gone;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
