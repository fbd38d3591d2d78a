//! What holds memory in a sandbox without a process that has it: temporary file systems, and segments of System V.

use rustix::fd::OwnedFd;
use rustix::fs::{fstat, fstatfs, fstatvfs};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS: u64 = 0x0102_1994;
/// Longest list of segments that is read; there are fewer (see `init/ipc.rs`).
const LONGEST_LIST: usize = 4 << 20;

/// Descriptors that the sandbox's init hands out.
#[derive(Debug, Default)]
pub(super) struct Stores {
    /// Each with its device.
    temporary: Vec<(OwnedFd, u64)>,
    /// `/proc/sysvipc/shm` of the sandbox's own namespace.
    segments: Option<File>,
}

impl Stores {
    /// Tells the descriptors apart by their file systems.
    pub(super) fn new(fds: Vec<OwnedFd>) -> Stores {
        let mut stores = Stores::default();
        for fd in fds {
            match (fstatfs(&fd), fstat(&fd)) {
                (Ok(system), Ok(meta)) if system.f_type.cast_unsigned() == TMPFS => {
                    stores.temporary.push((fd, meta.st_dev));
                }
                _ => stores.segments = Some(File::from(fd)),
            }
        }
        stores
    }

    /// The devices of the temporary file systems.
    pub(super) fn devices(&self) -> Vec<u64> {
        self.temporary.iter().map(|(_, device)| *device).collect()
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> u64 {
        let temporary = self.temporary.iter().filter_map(|(fd, _)| fstatvfs(fd).ok());
        let files =
            temporary.map(|disk| disk.f_blocks.saturating_sub(disk.f_bfree).saturating_mul(disk.f_frsize));
        files.sum::<u64>().saturating_add(self.segments.as_ref().map_or(0, |list| segments(&read(list))))
    }

    /// Whether [`Stores::bytes`] has what is mapped under this name on the device of what is in memory only.
    pub(super) fn hold(&self, name: &str) -> bool {
        self.segments.is_some() && name.starts_with("/SYSV")
    }
}

/// The whole list: the file is made anew for who reads it from the start.
fn read(list: &File) -> String {
    let mut text = vec![];
    let mut part = vec![0; 64 << 10];
    while text.len() < LONGEST_LIST {
        match list.read_at(&mut part, text.len() as u64) {
            Ok(got) if got > 0 => text.extend(part.iter().take(got)),
            _ => break,
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Resident and swapped bytes (the last two columns) of all segments.
fn segments(list: &str) -> u64 {
    let bytes = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let last = columns.get(columns.len().checked_sub(2)?..)?;
        last.iter().map(|column| column.parse::<u64>().ok()).sum::<Option<u64>>()
    };
    list.lines().skip(1).filter_map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_count_with_what_is_resident_and_swapped() {
        let list = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n  1  0  1666  4096  1  0  0  0  0  0  0  0  0  1  8192  4096\n  2  1  1666  4096  1  0  0  0  0  0  0  0  0  1  100  0\n";
        assert_eq!(segments(list), 8192 + 4096 + 100);
        assert_eq!(segments(""), 0);
        assert_eq!(segments("key\n\nx\n"), 0);
    }

    #[test]
    fn a_segment_that_nobody_has_attached_is_seen() {
        let list = File::open("/proc/sysvipc/shm").unwrap();
        let before = segments(&read(&list));
        // SAFETY: makes, fills and removes a segment of our own.
        unsafe {
            let id = libc::shmget(libc::IPC_PRIVATE, 8 << 20, libc::IPC_CREAT | 0o600);
            let at = libc::shmat(id, std::ptr::null(), 0);
            libc::memset(at, 1, 8 << 20);
            libc::shmdt(at);
            let after = segments(&read(&list));
            libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
            assert!(after >= before + (8 << 20), "{before} {after}");
        }
    }
}
