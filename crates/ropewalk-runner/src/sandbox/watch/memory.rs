//! Memory: the control group's word where there is one, else the sum over all processes.

use super::super::cgroup::Group;
use super::{Breach, tree};
use std::os::unix::fs::MetadataExt;

/// How a sandbox's memory is watched.
#[derive(Debug)]
pub(super) struct Memory {
    init: i32,
    limit: u64,
    group: Option<Group>,
}

impl Memory {
    pub(super) fn new(init: i32, limit: u64, group: Option<Group>) -> Memory {
        Memory { init, limit, group }
    }

    pub(super) fn enforced(&self) -> bool {
        self.group.is_some()
    }

    pub(super) fn look(&self) -> Option<Breach> {
        let (over, used) = match &self.group {
            // The kernel ends single processes; a build must not pass over that.
            Some(group) => (group.kills() > 0, group.memory()),
            None => {
                let used = used(self.init);
                (used > self.limit, used)
            }
        };
        over.then_some(Breach::Memory { used, limit: self.limit })
    }
}

/// Bytes of memory that the processes below `init` have to themselves, and of files that exist in
/// memory only (the tmpfs mounts have limits of their own).
fn used(init: i32) -> u64 {
    let page = rustix::param::page_size() as u64;
    let mut bytes = 0u64;
    for process in tree::below(init) {
        let folder = format!("/proc/{}", process.pid);
        let statm = std::fs::read_to_string(format!("{folder}/statm")).unwrap_or_default();
        bytes = bytes.saturating_add(private_pages(&statm).saturating_mul(page));
        for file in open_files(&folder) {
            if file.memory {
                bytes = bytes.saturating_add(file.bytes);
            }
        }
    }
    bytes
}

/// Resident less shared pages, fields 2 and 3 of `/proc/PID/statm`.
fn private_pages(statm: &str) -> u64 {
    let mut fields = statm.split(' ').skip(1).map_while(|f| f.parse::<u64>().ok());
    let resident = fields.next().unwrap_or(0);
    resident.saturating_sub(fields.next().unwrap_or(0))
}

/// A file that has no name any more, or never had one.
#[derive(Debug)]
pub(super) struct Nameless {
    /// Made by memfd_create.
    memory: bool,
    /// What it takes.
    pub(super) bytes: u64,
    /// To count it once.
    pub(super) id: (u64, u64),
}

impl Nameless {
    pub(super) fn on_disk(&self) -> bool {
        !self.memory
    }
}

/// The nameless files that a process has open.
pub(super) fn open_files(process: &str) -> Vec<Nameless> {
    let listed = std::fs::read_dir(format!("{process}/fd")).into_iter().flatten().flatten();
    listed
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            let name = target.to_str()?;
            if !name.ends_with(" (deleted)") {
                return None;
            }
            let meta = std::fs::metadata(entry.path()).ok()?;
            let counts = meta.is_file() && meta.nlink() == 0;
            let bytes = meta.blocks().saturating_mul(512);
            let memory = name.starts_with("/memfd:");
            counts.then_some(Nameless { memory, bytes, id: (meta.dev(), meta.ino()) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn shared_pages_do_not_count() {
        assert_eq!(private_pages("1000 300 120 1 0 50 0\n"), 180);
        assert_eq!(private_pages("1000 1 2"), 0);
        assert_eq!(private_pages(""), 0);
    }

    #[test]
    fn memory_files_and_deleted_files_are_found() {
        let flags = rustix::fs::MemfdFlags::CLOEXEC;
        let mut memory = std::fs::File::from(rustix::fs::memfd_create("x", flags).unwrap());
        memory.write_all(&[1; 1 << 20]).unwrap();
        let mut deleted = tempfile::tempfile().unwrap();
        deleted.write_all(&[1; 1 << 20]).unwrap();
        let found = open_files("/proc/self");
        assert!(found.iter().any(|f| f.memory && f.bytes == 1 << 20));
        let id = deleted.metadata().map(|m| (m.dev(), m.ino())).unwrap();
        // A file made without a name from the start has none to be recognised by.
        assert!(found.iter().any(|f| f.on_disk()) || !found.iter().any(|f| f.id == id));
    }
}
