//! Files that are needed while an image is made.

use crate::image::ImageError;
use crate::image::error::Doing;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Held while a folder is made or cleared away, so that nobody meets one between its making and its locking.
const LOCK: &str = ".lock";

/// A folder that goes with its owner, and all files in it; what a killed process left goes with the next.
pub(in crate::image) struct Scratch {
    folder: PathBuf,
    _lock: File,
}

impl Scratch {
    /// A new folder below `parent`, with the empty file [`Scratch::tar`] in it.
    pub(in crate::image) fn make(parent: &Path) -> Result<Scratch, ImageError> {
        fs::create_dir_all(parent).doing(format_args!("create {}", parent.display()))?;
        let all = parent.join(LOCK);
        let all = File::create(&all).doing(format_args!("open {}", all.display()))?;
        flock(&all, FlockOperation::LockExclusive).doing(format_args!("lock {}", parent.display()))?;
        sweep(parent);
        let folder = new_folder(parent).doing(format_args!("create a folder below {}", parent.display()))?;
        let lock = File::open(&folder).doing(format_args!("open {}", folder.display()))?;
        flock(&lock, FlockOperation::LockExclusive).doing(format_args!("lock {}", folder.display()))?;
        let scratch = Scratch { folder, _lock: lock };
        File::create(scratch.tar()).doing(format_args!("create {}", scratch.tar().display()))?;
        Ok(scratch)
    }

    /// Where the image's tar goes.
    pub(in crate::image) fn tar(&self) -> PathBuf {
        self.folder.join("image.tar")
    }

    /// Where the state of a suite is put meanwhile; not there yet.
    pub(super) fn release(&self) -> PathBuf {
        self.folder.join("release")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes whatever nobody has locked. The caller holds the lock of the whole.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if entry.file_name() == LOCK {
            continue;
        }
        let path = entry.path();
        let free =
            File::open(&path).is_ok_and(|f| flock(&f, FlockOperation::NonBlockingLockExclusive).is_ok());
        if free {
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// By the process, and a number where another one of this process, or of another process namespace, is there.
fn new_folder(parent: &Path) -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let folder = parent.join(format!("{}-{number}", std::process::id()));
        match fs::create_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| folder),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn folders(parent: &Path) -> usize {
        fs::read_dir(parent).unwrap().flatten().filter(|entry| entry.file_name() != LOCK).count()
    }

    #[test]
    fn what_a_killed_process_left_goes_with_the_next() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir_all(parent.path().join("1-0/partial")).unwrap();
        fs::write(parent.path().join("1-0/image.tar"), "left").unwrap();
        fs::write(parent.path().join("1.tar"), "left").unwrap();
        let scratch = Scratch::make(parent.path()).unwrap();
        assert!(scratch.tar().exists() && !scratch.release().exists());
        assert_eq!(folders(parent.path()), 1);
        drop(scratch);
        assert_eq!(folders(parent.path()), 0);
    }

    #[test]
    fn what_another_one_uses_stays() {
        let parent = tempfile::tempdir().unwrap();
        let one = Scratch::make(parent.path()).unwrap();
        // As another program writes it: nobody locks this file.
        fs::write(one.release(), "Date: today").unwrap();
        let two = Scratch::make(parent.path()).unwrap();
        assert_eq!(fs::read_to_string(one.release()).unwrap(), "Date: today");
        assert!(one.tar().exists() && one.tar() != two.tar());
    }

    #[test]
    fn nobody_sweeps_while_a_folder_is_made() {
        let parent = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let scratch = Scratch::make(parent.path()).unwrap();
                        fs::write(scratch.release(), "x").unwrap();
                        assert!(scratch.tar().exists());
                    }
                });
            }
        });
        assert_eq!(folders(parent.path()), 0);
    }
}
