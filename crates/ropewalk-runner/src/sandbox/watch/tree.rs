//! The processes of a sandbox, from outside.

use std::collections::HashSet;

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
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
    fn a_child_is_below() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let below = below(std::process::id().cast_signed());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(below.iter().any(|p| p.pid == child.id().cast_signed()));
    }
}
