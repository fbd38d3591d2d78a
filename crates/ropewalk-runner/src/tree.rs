//! Removing a folder whose depth an attacker chose.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Removes the folder `top` and all that is in it, following no link. However deep it is, this takes one open folder and
/// short paths: a folder within a folder is first moved up into `top`, under a number. May be called again after an end
/// in between.
///
/// # Errors
/// With the first thing that cannot be removed; `top` is then still there.
pub(crate) fn remove(top: &Path) -> io::Result<()> {
    let mut numbers = Numbers { next: 0, top };
    let mut folders = VecDeque::new();
    empty(top, |folder| {
        folders.push_back(folder);
        Ok(())
    })?;
    while let Some(folder) = folders.pop_front() {
        empty(&folder, |inner| {
            folders.push_back(numbers.take_in(&inner)?);
            Ok(())
        })?;
        fs::remove_dir(&folder)?;
    }
    fs::remove_dir(top)
}

/// Removes everything in the folder but folders, which are handed on.
fn empty(folder: &Path, mut found: impl FnMut(PathBuf) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Numbers<'a> {
    next: u64,
    top: &'a Path,
}

impl Numbers<'_> {
    /// Moves a folder up under a number that is free; a removal that was cut short may have left some.
    fn take_in(&mut self, folder: &Path) -> io::Result<PathBuf> {
        loop {
            let to = self.top.join(self.next.to_string());
            self.next += 1;
            match fs::rename(folder, &to) {
                Ok(()) => return Ok(to),
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

    /// Deeper than a path can say, than a stack is, and than descriptors reach.
    fn dig(folder: &Path, depth: usize) {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let mut at = openat(CWD, folder, flags, Mode::empty()).unwrap();
        let name = "a".repeat(100);
        for _ in 0..depth {
            mkdirat(&at, &name, Mode::RWXU).unwrap();
            at = openat(&at, &name, flags, Mode::empty()).unwrap();
        }
    }

    #[test]
    fn depth_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("layer");
        fs::create_dir_all(top.join("upper")).unwrap();
        dig(&top.join("upper"), 20_000);
        remove(&top).unwrap();
        assert!(!top.exists());
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (top, kept) = (folder.path().join("layer"), folder.path().join("kept"));
        fs::create_dir_all(top.join("upper/x")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&kept, top.join("upper/link")).unwrap();
        std::os::unix::fs::symlink(&kept, top.join("upper/x/link")).unwrap();
        remove(&top).unwrap();
        assert!(kept.join("file").exists() && !top.exists());
    }

    #[test]
    fn numbers_of_an_earlier_try_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("layer");
        for path in ["0/x/y", "1/z", "upper/0/1/2"] {
            fs::create_dir_all(top.join(path)).unwrap();
        }
        remove(&top).unwrap();
        assert!(!top.exists());
    }
}
