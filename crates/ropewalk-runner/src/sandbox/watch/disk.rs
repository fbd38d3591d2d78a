//! Disk: the upper layer is walked a little at a time. What a walk cannot see (files deleted while they are open or
//! mapped) is looked for when the disk loses more than the walks explain. What nobody can see (deleted files on their
//! way through a socket) ends the sandbox when the disk is all but full.

use super::super::weaken::{Guard, is_off};
use super::super::{Doing, SandboxError};
use super::shortage::{Shortage, Stock};
use super::{Breach, Portion, files, tree};
use std::fs::{File, ReadDir};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long one look may walk.
const SLICE: Duration = Duration::from_millis(4);
/// How much of a processor's time one look may search for deleted files, once where they are mapped and once where they
/// are open; the next such look goes on with it.
const SEARCH: Duration = Duration::from_millis(100);
/// What must stay free on the disk, whatever the limits say.
const RESERVE: u64 = 512 << 20;
/// From this length of a path on a folder is held open and paths begin there; a name has at most 255 bytes.
const PATH_LONG: usize = 2048;
/// How much unexplained loss of free space makes us look for deleted files.
const UNEXPLAINED: u64 = 64 << 20;

/// Without such a loss they are looked for this seldom, once in so many looks: others may give back what is lost.
const RARELY: u32 = 8;

/// How a sandbox's disk is watched.
#[derive(Debug)]
pub(super) struct Disk {
    init: i32,
    layer: PathBuf,
    /// What is written into: one folder, or one for the root and one for `/usr`.
    upper: Vec<PathBuf>,
    limit: u64,
    shortage: Shortage,
    looks: u32,
    /// The device of what is in memory only.
    memory: u64,
    /// The devices of the sandbox's temporary file systems.
    temporary: Vec<u64>,
    walk: Walk,
    mapped: files::Search,
    open: files::Search,
    /// What the last finished walk found.
    named: u64,
}

impl Disk {
    pub(super) fn new(init: i32, layer: &Path, limit: u64) -> Result<Disk, SandboxError> {
        let upper = [layer.join("upper"), layer.join("usr/upper")];
        Disk::over(init, layer, upper.into_iter().filter(|folder| folder.exists()).collect(), limit)
    }

    /// Watches what is written into these folders, whether or not they are there yet; `layer` lies on their disk.
    pub(super) fn over(
        init: i32,
        layer: &Path,
        upper: Vec<PathBuf>,
        limit: u64,
    ) -> Result<Disk, SandboxError> {
        let stock =
            Stock::of_disk(layer).doing(format_args!("ask for free space below {}", layer.display()))?;
        let mut shortage = Shortage::new(RESERVE);
        shortage.unexplained(stock, 0);
        let memory = files::memory_device().doing("make a file in memory")?;
        let walk = Walk::begin(&upper);
        Ok(Disk {
            init,
            layer: layer.to_owned(),
            upper,
            limit,
            shortage,
            looks: 0,
            memory,
            temporary: vec![],
            walk,
            mapped: files::Search::default(),
            open: files::Search::default(),
            named: 0,
        })
    }

    /// Passes over files on these devices.
    pub(super) fn pass_over(&mut self, temporary: Vec<u64>) {
        self.temporary = temporary;
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
        let stock = Stock::of_disk(&self.layer).ok()?;
        self.looks = self.looks.wrapping_add(1);
        let due = self.looks.is_multiple_of(RARELY) || stock.left < RESERVE;
        let lost = self.shortage.unexplained(stock, named) > UNEXPLAINED;
        if is_off(Guard::Accounting) || !(due || lost) {
            return None;
        }
        let used = named.saturating_add(self.nameless());
        if used >= self.limit {
            return Some(Breach::Disk { used, limit: self.limit });
        }
        self.shortage.look(began, stock, used).then_some(Breach::Full { free: stock.left })
    }

    /// Bytes of deleted files that the sandbox's processes still have open, mapped or running.
    fn nameless(&mut self) -> u64 {
        let processes = tree::below(self.init);
        let on_disk = |device| device != self.memory && !self.temporary.contains(&device);
        let portion = Portion::of(SEARCH);
        let mut found = self.mapped.mapped(&processes, &on_disk, &|| portion.lasts());
        let portion = Portion::of(SEARCH);
        found.extend(self.open.open(&processes, &on_disk, &|| portion.lasts()));
        found.values().sum()
    }
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
