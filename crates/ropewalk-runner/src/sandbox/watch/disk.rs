//! Disk: the upper layer is walked a little at a time. What a walk cannot see (files deleted while
//! open) is looked for when the disk loses more than the walks explain.

use super::super::{Doing, SandboxError};
use super::memory::open_files;
use super::{Breach, tree};
use std::collections::HashSet;
use std::fs::{File, ReadDir};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long one look may walk.
const SLICE: Duration = Duration::from_millis(4);
/// What must stay free on the disk, whatever the limits say.
const RESERVE: u64 = 512 << 20;
/// From this length of a path on a folder is held open and paths begin there; a name has at most 255 bytes.
const PATH_LONG: usize = 2048;
/// How much unexplained loss of free space makes us look for deleted files.
const UNEXPLAINED: u64 = 64 << 20;

/// How a sandbox's disk is watched.
#[derive(Debug)]
pub(super) struct Disk {
    init: i32,
    layer: PathBuf,
    /// What is written into: one folder, or one for the root and one for `/usr`.
    upper: Vec<PathBuf>,
    limit: u64,
    /// Free space when the sandbox was opened.
    at_start: u64,
    walk: Walk,
    /// What the last finished walk found.
    named: u64,
}

impl Disk {
    pub(super) fn new(init: i32, layer: &Path, limit: u64) -> Result<Disk, SandboxError> {
        let upper = [layer.join("upper"), layer.join("usr/upper")];
        let upper: Vec<PathBuf> = upper.into_iter().filter(|folder| folder.exists()).collect();
        let at_start = free(layer).doing(format_args!("ask for free space below {}", layer.display()))?;
        let walk = Walk::begin(&upper);
        Ok(Disk { init, layer: layer.to_owned(), upper, limit, at_start, walk, named: 0 })
    }

    pub(super) fn look(&mut self) -> Option<Breach> {
        let began = Instant::now();
        if self.walk.go_on(|| began.elapsed() < SLICE) {
            self.named = self.walk.bytes;
            self.walk = Walk::begin(&self.upper);
        }
        // A walk under way may have seen more than the last one.
        let named = self.named.max(self.walk.bytes);
        if named >= self.limit {
            return Some(Breach::Disk { used: named, limit: self.limit });
        }
        let free = free(&self.layer).unwrap_or(u64::MAX);
        let lost = self.at_start.saturating_sub(free);
        if lost <= named.saturating_add(UNEXPLAINED) {
            return None;
        }
        let used = named.saturating_add(nameless(self.init));
        if used >= self.limit {
            return Some(Breach::Disk { used, limit: self.limit });
        }
        // Others may have filled the disk; who holds a good part of it has to go.
        (free < RESERVE && used > RESERVE / 8).then_some(Breach::Full { free })
    }
}

fn free(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Bytes of deleted files that the sandbox's processes still have open.
fn nameless(init: i32) -> u64 {
    let mut seen = HashSet::new();
    let files = tree::below(init).into_iter().flat_map(|p| open_files(&format!("/proc/{}", p.pid)));
    files.filter(|file| file.on_disk() && seen.insert(file.id)).map(|file| file.bytes).sum()
}

/// A folder to be walked: its path from the root, or from a folder on the way that is held open. The kernel takes no
/// path of more than 4096 bytes, but lets folders lie deeper.
#[derive(Debug, Clone)]
struct Folder {
    from: Option<Rc<File>>,
    path: PathBuf,
}

impl Folder {
    fn list(self) -> std::io::Result<(Folder, ReadDir)> {
        let listed = std::fs::read_dir(&self.path)?;
        if self.path.as_os_str().len() < PATH_LONG {
            return Ok((self, listed));
        }
        let open = File::open(&self.path)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        Ok((Folder { from: Some(Rc::new(open)), path }, listed))
    }
}

/// A walk over a folder tree in small portions.
#[derive(Debug)]
struct Walk {
    folders: Vec<Folder>,
    reading: Option<(Folder, ReadDir)>,
    bytes: u64,
}

impl Walk {
    fn begin(roots: &[PathBuf]) -> Walk {
        let folder = |path: &PathBuf| Folder { from: None, path: path.clone() };
        Walk { folders: roots.iter().map(folder).collect(), reading: None, bytes: 0 }
    }

    /// Goes on while `more` says so; true when the walk is over.
    fn go_on(&mut self, more: impl Fn() -> bool) -> bool {
        while more() {
            let Some((folder, reading)) = &mut self.reading else {
                match self.folders.pop().map(Folder::list) {
                    Some(Ok(listed)) => self.reading = Some(listed),
                    // Nested so deep that no descriptor is left: what is in it must not go uncounted.
                    Some(Err(error)) if error.raw_os_error() == Some(libc::EMFILE) => self.bytes = u64::MAX,
                    Some(Err(_)) => {}
                    None => return true,
                }
                continue;
            };
            match reading.next() {
                Some(Ok(entry)) => {
                    // Folders and files come and go under the walk.
                    let Ok(meta) = entry.metadata() else { continue };
                    let blocks = meta.blocks().saturating_mul(512);
                    let names = if meta.is_dir() { 1 } else { meta.nlink().max(1) };
                    self.bytes = self.bytes.saturating_add(blocks / names);
                    if meta.is_dir() {
                        let path = folder.path.join(entry.file_name());
                        self.folders.push(Folder { from: folder.from.clone(), path });
                    }
                }
                Some(Err(_)) => {}
                None => self.reading = None,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_counts_every_file_once_and_can_be_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("x"), vec![1; 1 << 20]).unwrap();
        std::fs::hard_link(inner.join("x"), folder.path().join("y")).unwrap();
        let mut walk = Walk::begin(&[folder.path().to_owned()]);
        let mut portions = 0;
        let once = std::cell::Cell::new(true);
        while !walk.go_on(|| once.replace(false)) {
            portions += 1;
            once.set(true);
        }
        assert!(portions >= 4, "{portions}");
        assert!((1 << 20..(1 << 20) + 65536).contains(&walk.bytes), "{}", walk.bytes);
    }

    #[test]
    fn a_walk_counts_what_lies_deeper_than_a_path_can_say() {
        use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
        let folder = tempfile::tempdir().unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = openat(CWD, folder.path(), flags, Mode::empty()).unwrap();
        for name in ["a".repeat(250), "b".repeat(250)].iter().cycle().take(40) {
            mkdirat(&at, name, Mode::RWXU).unwrap();
            at = openat(&at, name, flags, Mode::empty()).unwrap();
        }
        let hidden = format!("/proc/self/fd/{}/x", at.as_raw_fd());
        std::fs::write(hidden, vec![1; 1 << 20]).unwrap();
        let mut walk = Walk::begin(&[folder.path().to_owned()]);
        assert!(walk.go_on(|| true));
        assert!(walk.bytes >= 1 << 20, "{}", walk.bytes);
    }

    #[test]
    fn a_full_layer_is_a_breach() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("upper")).unwrap();
        let mut disk = Disk::new(i32::MAX, folder.path(), 1 << 20).unwrap();
        assert_eq!(disk.look(), None);
        std::fs::write(folder.path().join("upper/x"), vec![1; 2 << 20]).unwrap();
        let found = (0..100).find_map(|_| disk.look());
        assert!(matches!(found, Some(Breach::Disk { used, limit: 1_048_576 }) if used >= 2 << 20));
    }
}
