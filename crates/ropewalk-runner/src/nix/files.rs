//! Files in a Nix store, without ever leaving it.
//!
//! What lies in a store was made by builds: a link may lead anywhere. So each part of a path is opened by itself, and
//! where a link leads is decided here and not by the kernel.

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Links on the way to a file.
const LINKS: usize = 40;
/// Folders within each other below a store path.
const DEPTH: usize = 200;
/// Bytes of a path.
const LENGTH: usize = 4096;
/// Names of a listed folder.
const NAMES: usize = 10_000;
/// Characters of the hash before a store path's name.
const HASH: usize = 32;

/// A store to read from.
#[derive(Clone, Debug)]
pub struct StoreFiles {
    store: PathBuf,
}

/// What lies at a path.
#[derive(Debug)]
pub struct Found {
    /// Where it lies after all links: absolute, in the store.
    pub path: String,
    /// What it is.
    pub entry: Entry,
}

/// What can lie in a store, links aside.
#[derive(Debug)]
pub enum Entry {
    /// A plain file, open for reading.
    File {
        /// At its beginning.
        file: File,
        /// Bytes.
        size: u64,
    },
    /// A folder and the names in it, sorted; a folder's name ends with a slash. Names that are no UTF-8 are left out.
    Folder(Vec<String>),
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Not below a store path, or a link on the way leads out of the store.
    #[error("{0} does not lie in the Nix store")]
    Outside(String),
    /// Not there.
    #[error("there is no {0}")]
    Missing(String),
    /// Too many links or folders, or too long.
    #[error("{0} leads through too many links or folders")]
    TooDeep(String),
    /// A system call.
    #[error("cannot read {0}: {1}")]
    System(String, std::io::Error),
}

/// A walk from the store to a file.
struct Walk<'a> {
    store: &'a Path,
    asked: &'a str,
    /// The open folders, the store first, and the names of all but that.
    folders: Vec<OwnedFd>,
    names: Vec<String>,
    /// Parts of the path that are still ahead.
    ahead: VecDeque<String>,
    links: usize,
}

impl StoreFiles {
    /// The store in this folder, which is absolute and free of links.
    #[must_use]
    pub fn new(store: &Path) -> StoreFiles {
        StoreFiles { store: store.to_owned() }
    }

    /// Opens a plain file or lists a folder, by its absolute path.
    ///
    /// # Errors
    /// When it is neither, or does not lie in the store.
    pub fn open(&self, path: &str) -> Result<Found, FilesError> {
        let below = below(&self.store, path).filter(|_| path.len() <= LENGTH);
        let below = below.ok_or_else(|| FilesError::Outside(path.into()))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let system = |error: Errno| FilesError::System(path.into(), error.into());
        let root = openat(CWD, &self.store, flags, Mode::empty()).map_err(system)?;
        let mut walk = Walk {
            store: &self.store,
            asked: path,
            folders: vec![root],
            names: vec![],
            ahead: parts(below).collect(),
            links: 0,
        };
        while let Some(part) = walk.ahead.pop_front() {
            if let Some(file) = walk.step(&part)? {
                return Ok(file);
            }
        }
        walk.list()
    }

    /// Reads at most `most` bytes of a plain file as text, whatever is no UTF-8 replaced.
    ///
    /// # Errors
    /// As [`StoreFiles::open`]; a folder counts as missing.
    pub fn text(&self, path: &str, most: u64) -> Result<String, FilesError> {
        use std::io::Read;
        let Entry::File { file, .. } = self.open(path)?.entry else {
            return Err(FilesError::Missing(path.into()));
        };
        let mut bytes = vec![];
        let read = file.take(most).read_to_end(&mut bytes);
        read.map_err(|error| FilesError::System(path.into(), error))?;
        Ok(replaced(&bytes))
    }
}

/// Bytes as text; what is no UTF-8 becomes U+FFFD.
pub(super) fn replaced(bytes: &[u8]) -> String {
    let mark = |invalid: &[u8]| if invalid.is_empty() { "" } else { "\u{fffd}" };
    bytes.utf8_chunks().flat_map(|chunk| [chunk.valid(), mark(chunk.invalid())]).collect()
}

/// The first part of a path in a store, `HASH-NAME`; none for what else lies there.
#[must_use]
pub fn base_name<'a>(store: &Path, path: &'a str) -> Option<&'a str> {
    let base = below(store, path)?.split('/').next()?;
    is_base_name(base).then_some(base)
}

/// Whether it is the path of something in the store itself: `STORE/HASH-NAME`.
#[must_use]
pub fn is_store_path(store: &Path, path: &str) -> bool {
    below(store, path).is_some_and(is_base_name)
}

fn is_base_name(base: &str) -> bool {
    let Some((hash, name)) = base.split_at_checked(HASH) else { return false };
    let is_good = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    hash.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        && name.strip_prefix('-').is_some_and(|name| !name.is_empty() && name.chars().all(is_good))
        && base.len() <= 255
}

fn below<'a>(store: &Path, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(store.to_str()?)?.strip_prefix('/')
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned)
}

impl Walk<'_> {
    fn outside(&self) -> FilesError {
        FilesError::Outside(self.asked.into())
    }

    fn failed(&self, error: Errno) -> FilesError {
        match error {
            Errno::NOENT | Errno::NOTDIR => FilesError::Missing(self.asked.into()),
            error => FilesError::System(self.asked.into(), error.into()),
        }
    }

    /// Goes into a folder, along a link, or opens the file at the end.
    fn step(&mut self, part: &str) -> Result<Option<Found>, FilesError> {
        if part == ".." {
            self.names.pop().ok_or_else(|| self.outside())?;
            self.folders.pop();
            return Ok(None);
        }
        if self.names.is_empty() && !is_base_name(part) {
            return Err(self.outside());
        }
        let folder = self.folders.last().ok_or_else(|| self.outside())?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(folder, part, flags, Mode::empty()).map_err(|error| self.failed(error))?;
        let kind = fstat(&found).map_err(|error| self.failed(error))?.st_mode;
        match FileType::from_raw_mode(kind) {
            FileType::Directory if self.folders.len() > DEPTH => Err(FilesError::TooDeep(self.asked.into())),
            FileType::Directory => {
                self.folders.push(found);
                self.names.push(part.into());
                Ok(None)
            }
            FileType::Symlink => self.follow(&found).map(|()| None),
            FileType::RegularFile if self.ahead.is_empty() => self.open(part).map(Some),
            _ => Err(FilesError::Missing(self.asked.into())),
        }
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<(), FilesError> {
        self.links += 1;
        if self.links > LINKS {
            return Err(FilesError::TooDeep(self.asked.into()));
        }
        let target = readlinkat(link, "", vec![]).map_err(|error| self.failed(error))?;
        let target = target.into_string().map_err(|_| self.outside())?;
        let relative = match target.starts_with('/') {
            true => {
                self.folders.truncate(1);
                self.names.clear();
                below(self.store, &target).ok_or_else(|| self.outside())?
            }
            false => &target,
        };
        for part in parts(relative).rev() {
            self.ahead.push_front(part);
        }
        Ok(())
    }

    /// Where the walk is.
    fn path(&self) -> String {
        let names = self.names.iter().map(|name| format!("/{name}"));
        std::iter::once(self.store.display().to_string()).chain(names).collect()
    }

    fn open(&self, part: &str) -> Result<Found, FilesError> {
        let folder = self.folders.last().ok_or_else(|| self.outside())?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(folder, part, flags, Mode::empty()).map_err(|error| self.failed(error))?;
        let stat = fstat(&file).map_err(|error| self.failed(error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(FilesError::Missing(self.asked.into()));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let path = format!("{}/{part}", self.path());
        Ok(Found { path, entry: Entry::File { file: file.into(), size } })
    }

    fn list(&self) -> Result<Found, FilesError> {
        if self.names.is_empty() {
            return Err(self.outside());
        }
        let folder = self.folders.last().ok_or_else(|| self.outside())?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(folder, ".", flags, Mode::empty()).map_err(|error| self.failed(error))?;
        let mut names = vec![];
        for entry in Dir::read_from(&folder).map_err(|error| self.failed(error))?.take(NAMES) {
            let entry = entry.map_err(|error| self.failed(error))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            let slash = if entry.file_type() == FileType::Directory { "/" } else { "" };
            names.push(format!("{name}{slash}"));
        }
        names.sort();
        Ok(Found { path: self.path(), entry: Entry::Folder(names) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use std::fs::{create_dir_all, write};
    use std::os::unix::fs::symlink;

    const A: &str = "00000000000000000000000000000000-a";
    const B: &str = "11111111111111111111111111111111-b";

    fn store() -> (tempfile::TempDir, StoreFiles, String) {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let store = top.join("store");
        create_dir_all(store.join(A).join("doc/inner")).unwrap();
        create_dir_all(store.join(B)).unwrap();
        create_dir_all(store.join(".links")).unwrap();
        write(top.join("secret"), "secret").unwrap();
        write(store.join("secret"), "secret").unwrap();
        write(store.join(".links/x"), "x").unwrap();
        write(store.join(A).join("doc/index.html"), "<h1>").unwrap();
        write(store.join(B).join("file"), "b's").unwrap();
        let text = store.to_str().unwrap().to_owned();
        (folder, StoreFiles::new(&store), text)
    }

    fn text(files: &StoreFiles, path: &str) -> Result<String, String> {
        files.text(path, 100).map_err(|error| error.to_string().split(' ').next().unwrap_or_default().into())
    }

    #[test]
    fn files_and_folders_of_store_paths_are_found() {
        let (_folder, files, store) = store();
        assert_eq!(text(&files, &format!("{store}/{A}/doc//./index.html")).unwrap(), "<h1>");
        assert_eq!(text(&files, &format!("{store}/{A}/doc/inner/../index.html")).unwrap(), "<h1>");
        let found = files.open(&format!("{store}/{A}/doc")).unwrap();
        assert_eq!(found.path, format!("{store}/{A}/doc"));
        assert!(matches!(found.entry, Entry::Folder(names) if names == ["index.html", "inner/"]));
        assert_eq!(files.text(&format!("{store}/{B}/file"), 2).unwrap(), "b'");
        assert!(matches!(files.open(&format!("{store}/{A}/nothing")), Err(FilesError::Missing(_))));
        assert!(matches!(files.open(&format!("{store}/{B}/file/x")), Err(FilesError::Missing(_))));
    }

    #[test]
    fn links_are_followed_within_the_store_and_never_out_of_it() {
        let (_folder, files, store) = store();
        let a = Path::new(&store).join(A);
        for (name, target) in [
            ("relative", format!("../{B}/file")),
            ("absolute", format!("{store}/{B}/file")),
            ("folder", format!("{store}/{B}")),
        ] {
            symlink(target, a.join(name)).unwrap();
        }
        for path in ["relative", "absolute", "folder/file"] {
            let found = files.open(&format!("{store}/{A}/{path}")).unwrap();
            assert_eq!(found.path, format!("{store}/{B}/file"));
        }
        for (at, target) in [
            "/etc/passwd",
            "../../secret",
            "../../../../../../../../etc/passwd",
            "../secret",
            "../.links/x",
            "..",
            &format!("{store}/../secret"),
            &format!("{store}x/y"),
            &store,
        ]
        .iter()
        .enumerate()
        {
            symlink(target, a.join(format!("bad{at}"))).unwrap();
            let found = files.open(&format!("{store}/{A}/bad{at}"));
            assert!(matches!(found, Err(FilesError::Outside(_))), "{target}: {found:?}");
        }
    }

    #[test]
    fn paths_that_leave_the_store_are_refused() {
        let (_folder, files, store) = store();
        for path in ["", "/", "/etc/passwd", &store, &format!("{store}/"), &format!("{store}/secret")] {
            assert!(matches!(files.open(path), Err(FilesError::Outside(_))), "{path}");
        }
        for path in
            [format!("{store}/{A}/../../secret"), format!("{store}/.links/x"), format!("{store}/{A}/..")]
        {
            assert!(matches!(files.open(&path), Err(FilesError::Outside(_))), "{path}");
        }
    }

    #[test]
    fn links_in_a_circle_deep_folders_and_odd_files_end_the_walk() {
        let (_folder, files, store) = store();
        let a = Path::new(&store).join(A);
        symlink("circle", a.join("circle")).unwrap();
        assert!(matches!(files.open(&format!("{store}/{A}/circle")), Err(FilesError::TooDeep(_))));
        create_dir_all(a.join("d/".repeat(DEPTH + 1))).unwrap();
        let deep = format!("{store}/{A}/{}", "d/".repeat(DEPTH + 1));
        assert!(matches!(files.open(&deep), Err(FilesError::TooDeep(_))));
        let fifo = a.join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(matches!(files.open(fifo.to_str().unwrap()), Err(FilesError::Missing(_))));
    }

    #[test]
    fn a_store_path_has_a_hash_and_a_name() {
        let store = Path::new("/s");
        assert!(is_store_path(store, &format!("/s/{A}")));
        assert_eq!(base_name(store, &format!("/s/{A}/x/y")), Some(A));
        for path in [A, "/s", "/s/", "/t/x", "/s/short-a", &format!("/s/{A}/x"), &format!("/s/{}", &A[..33])]
        {
            assert!(!is_store_path(store, path), "{path}");
        }
        assert!(!is_store_path(store, &format!("/s/{A}\n")));
        assert!(!is_store_path(store, &format!("/s/{A} --option")));
    }
}
