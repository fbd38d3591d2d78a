//! Walking about in the new image: each entry is one step away from the one before, so that a path is not followed
//! from its beginning for every file below it.

use super::layer::refused;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// Bytes of a path; a longer one no program can open.
const LONGEST: usize = 4095;

/// The folder that this process is in. The process has no other folders than those of the new image in sight, so that
/// links on the way lead nowhere else.
pub(super) struct Here {
    /// How it was reached, as the archive writes it; none when it may be another by now.
    path: Option<PathBuf>,
    file: u64,
}

/// What one layer put where: the folder's number and the name. A number that is used anew is of a folder that this
/// layer made.
pub(super) type Placed = HashSet<(u64, OsString)>;

impl Here {
    pub(super) fn root() -> io::Result<Here> {
        let mut here = Here { path: None, file: 0 };
        here.go(Path::new(""))?;
        Ok(here)
    }

    /// Number of the folder.
    pub(super) fn file(&self) -> u64 {
        self.file
    }

    /// Goes to a folder, a path as [`inside`] makes it. Links are followed; what is missing is made.
    pub(super) fn go(&mut self, to: &Path) -> io::Result<()> {
        let rest = self.path.take().and_then(|path| below(&path, to).map(Path::to_path_buf));
        let rest = match rest {
            Some(rest) => rest,
            None => {
                std::env::set_current_dir("/")?;
                to.to_path_buf()
            }
        };
        if !rest.as_os_str().is_empty() {
            enter(&rest)?;
        }
        self.file = fs::metadata(".")?.ino();
        self.path = Some(to.to_path_buf());
        Ok(())
    }

    /// Removes what has this name here, if there is anything.
    pub(super) fn remove(&mut self, name: &OsStr) -> io::Result<()> {
        // The way to here may have led through it.
        self.path = None;
        remove(Path::new(name))
    }

    /// Removes all that lower layers put here, at any depth. `done` are the folders in which that has happened.
    pub(super) fn hide_lower(&mut self, placed: &Placed, done: &mut HashSet<u64>) -> io::Result<()> {
        self.path = None;
        let mut folders = vec![(PathBuf::from("."), self.file)];
        while let Some((folder, file)) = folders.pop() {
            if !done.insert(file) {
                continue;
            }
            for entry in fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()? {
                let path = entry.path();
                if !placed.contains(&(file, entry.file_name())) {
                    remove(&path)?;
                } else if entry.file_type()?.is_dir() {
                    folders.push((path, entry.ino()));
                }
            }
        }
        Ok(())
    }
}

/// The path without `.` and a leading `/`.
pub(super) fn inside(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().len() > LONGEST {
        return Err(refused(format!("a path in it is longer than {LONGEST} bytes")));
    }
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(refused(format!("the path {} leads out of it", path.display()))),
        }
    }
    Ok(clean)
}

/// What of `to` comes below `folder`. Both are clean, so that bytes say it.
fn below<'a>(folder: &Path, to: &'a Path) -> Option<&'a Path> {
    let (folder, to) = (folder.as_os_str().as_bytes(), to.as_os_str().as_bytes());
    let rest = to.strip_prefix(folder)?;
    let rest = match rest {
        [] => rest,
        rest if folder.is_empty() => rest,
        [b'/', rest @ ..] => rest,
        _ => return None,
    };
    Some(Path::new(OsStr::from_bytes(rest)))
}

fn enter(path: &Path) -> io::Result<()> {
    match std::env::set_current_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        entered => return entered,
    }
    for part in path.components() {
        let part = Path::new(part.as_os_str());
        match std::env::set_current_dir(part) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir(part)?;
                std::env::set_current_dir(part)?;
            }
            entered => entered?,
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => crate::tree::remove(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_way_is_gone_on_with_only_below_where_it_is() {
        let rest = |folder: &str, to: &str| {
            below(Path::new(folder), Path::new(to)).map(|rest| rest.to_str().unwrap().to_owned())
        };
        assert_eq!(rest("a/b", "a/b/c/d").as_deref(), Some("c/d"));
        assert_eq!(rest("a/b", "a/b").as_deref(), Some(""));
        assert_eq!(rest("", "a").as_deref(), Some("a"));
        assert_eq!(rest("a/b", "a/bc"), None);
        assert_eq!(rest("a/b", "a"), None);
    }

    #[test]
    fn no_path_leads_out() {
        assert_eq!(inside(Path::new("./a//b/./c/")).unwrap(), Path::new("a/b/c"));
        assert_eq!(inside(Path::new("/etc/passwd")).unwrap(), Path::new("etc/passwd"));
        assert!(inside(Path::new("a/../../b")).is_err() && inside(Path::new("..")).is_err());
        assert!(inside(Path::new(&"d/".repeat(2048))).is_err());
    }
}
