//! The processes of a sandbox, from outside.

use std::collections::HashSet;

/// What two processes may have in common, as kcmp(2) numbers it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shared {
    /// One address space.
    Memory = 1,
    /// One table of open files.
    Files = 2,
}

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
}

impl Process {
    /// Its threads, the first one first. One that has ended while others go on is listed, but has neither memory
    /// nor files any more.
    pub(super) fn threads(self) -> Vec<i32> {
        let listed = std::fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten();
        listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }
}

/// Whether two processes or threads have this in common; no where the kernel does not say.
pub(super) fn share(a: i32, b: i32, what: Shared) -> bool {
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_kcmp, a, b, what as libc::c_long, 0, 0) == 0 }
}

/// All processes below `root`, without it. Orphans inside belong to the sandbox's init, so the
/// tree is complete.
pub(super) fn below(root: i32) -> Vec<Process> {
    let all: Vec<Process> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            Some(Process { pid, parent: parent(&stat)? })
        })
        .collect();
    let mut tree = HashSet::from([root]);
    let mut before = 0;
    while before != tree.len() {
        before = tree.len();
        let children: Vec<i32> = all.iter().filter(|p| tree.contains(&p.parent)).map(|p| p.pid).collect();
        tree.extend(children);
    }
    all.into_iter().filter(|p| p.pid != root && tree.contains(&p.pid)).collect()
}

/// Field 4 of `/proc/PID/stat`; the name in field 2 may hold blanks and parentheses.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        assert_eq!(parent("7 (a) b (c)) S 42 7 7 0 -1\n"), Some(42));
        assert_eq!(parent("7 (x) S"), None);
    }

    #[test]
    fn a_child_is_below_and_shares_neither_memory_nor_files() {
        let me = std::process::id().cast_signed();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let below = below(me);
        let pid = child.id().cast_signed();
        let shares = [Shared::Memory, Shared::Files].map(|what| share(me, pid, what));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(below.iter().any(|p| p.pid == pid));
        assert_eq!(shares, [false; 2]);
    }

    #[test]
    fn threads_share_memory_and_files() {
        let me = std::process::id().cast_signed();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv());
        let threads = Process { pid: me, parent: 0 }.threads();
        assert_eq!(threads.first(), Some(&me));
        assert!(threads.len() >= 2);
        let last = threads[threads.len() - 1];
        assert!(share(me, last, Shared::Memory) && share(me, last, Shared::Files));
        drop(done);
        let _ = thread.join();
    }
}
