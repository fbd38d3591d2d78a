//! What is kept of fetched things from one evaluation to the next, and what becomes of it when none uses it.

use super::place::LOCK;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, read_dir, read_to_string, rename};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// File with the bytes that a clone takes.
pub(super) const SIZE: &str = "size";
/// Begins the names of folders that are being removed.
const GONE: &str = ".gone-";

/// The folder of one address.
struct Kept {
    folder: PathBuf,
    used: SystemTime,
    size: u64,
}

/// Removes what no evaluation has used for `age`, and of the rest the longest unused, until it has at most `most` bytes.
/// What is being used stays.
pub(crate) fn sweep(clones: &Path, most: u64, age: Duration) {
    let kinds = read_dir(clones).into_iter().flatten().flatten();
    let folders = kinds.flat_map(|kind| read_dir(kind.path()).into_iter().flatten().flatten());
    let mut kept: Vec<Kept> = folders.filter_map(|entry| Kept::of(entry.path())).collect();
    kept.sort_by_key(|one| one.used);
    let mut size = kept.iter().map(|one| one.size).fold(0, u64::saturating_add);
    for one in kept {
        let is_old = one.used.elapsed().is_ok_and(|elapsed| elapsed > age);
        if (is_old || size > most) && one.remove() {
            size = size.saturating_sub(one.size);
        }
    }
}

impl Kept {
    /// None if it is none, or what an end in between has left of one, which is removed.
    fn of(folder: PathBuf) -> Option<Kept> {
        if folder.file_name()?.to_str()?.starts_with(GONE) {
            let _ = crate::tree::remove(&folder);
            return None;
        }
        let used = folder.join(LOCK).symlink_metadata().and_then(|meta| meta.modified()).ok()?;
        let size = read_to_string(folder.join(SIZE)).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Kept { folder, used, size })
    }

    /// False if it is being used.
    fn remove(&self) -> bool {
        let Ok(lock) = File::open(self.folder.join(LOCK)) else { return false };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return false;
        }
        let Some(name) = self.folder.file_name().and_then(|name| name.to_str()) else { return false };
        let gone = self.folder.with_file_name(format!("{GONE}{name}"));
        // Whoever waits for the lock finds that it is nobody's folder any more.
        rename(&self.folder, &gone).is_ok_and(|()| {
            let _ = crate::tree::remove(&gone);
            true
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::fs::{FileTimes, create_dir_all, write};

    const DAY: Duration = Duration::from_secs(86_400);

    fn clone(clones: &Path, name: &str, days: u32, size: u64) -> File {
        let folder = clones.join("git").join(name);
        create_dir_all(folder.join("clone")).unwrap();
        write(folder.join(SIZE), size.to_string()).unwrap();
        let lock = File::create(folder.join(LOCK)).unwrap();
        lock.set_times(FileTimes::new().set_modified(SystemTime::now() - DAY * days)).unwrap();
        lock
    }

    fn there(clones: &Path) -> Vec<String> {
        let entries = read_dir(clones.join("git")).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_old_goes_and_then_the_oldest_of_what_is_too_much() {
        let clones = tempfile::tempdir().unwrap();
        for (name, days, size) in [("a", 40, 1), ("b", 3, 60), ("c", 2, 30), ("d", 1, 30)] {
            clone(clones.path(), name, days, size);
        }
        create_dir_all(clones.path().join("git/.gone-e/clone")).unwrap();
        sweep(clones.path(), 200, DAY * 30);
        assert_eq!(there(clones.path()), ["b", "c", "d"]);
        sweep(clones.path(), 60, DAY * 30);
        assert_eq!(there(clones.path()), ["c", "d"]);
    }

    #[test]
    fn what_is_used_stays() {
        let clones = tempfile::tempdir().unwrap();
        let lock = clone(clones.path(), "a", 40, 100);
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        sweep(clones.path(), 1, DAY);
        assert_eq!(there(clones.path()), ["a"]);
        drop(lock);
        sweep(clones.path(), 1, DAY);
        assert_eq!(there(clones.path()), [""; 0]);
        // Nothing is there at all.
        sweep(&clones.path().join("nowhere"), 1, DAY);
    }
}
