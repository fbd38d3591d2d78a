//! What a sandbox uses, for hosts whose control groups are not ours.

use std::collections::HashSet;

struct Process {
    pid: i32,
    parent: i32,
    resident: u64,
}

/// Resident memory in bytes of all processes below `root`. Orphans inside belong to the sandbox's
/// init, so the tree is complete.
#[must_use]
pub fn usage(root: i32) -> u64 {
    let page = rustix::param::page_size() as u64;
    let processes: Vec<Process> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (parent, pages) = parent_and_pages(&stat)?;
            Some(Process { pid, parent, resident: pages.saturating_mul(page) })
        })
        .collect();
    let mut tree = HashSet::from([root]);
    let mut before = 0;
    while before != tree.len() {
        before = tree.len();
        let children: Vec<i32> =
            processes.iter().filter(|p| tree.contains(&p.parent)).map(|p| p.pid).collect();
        tree.extend(children);
    }
    processes.iter().filter(|p| p.pid != root && tree.contains(&p.pid)).map(|p| p.resident).sum()
}

/// Parent and resident pages from `/proc/PID/stat` (fields 4 and 24); the name in field 2 may
/// hold blanks and parentheses.
fn parent_and_pages(stat: &str) -> Option<(i32, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let pages = fields.nth(19)?.parse().ok()?;
    Some((parent, pages))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 42 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 99 4096 123 0\n";
        assert_eq!(parent_and_pages(stat), Some((42, 123)));
        assert_eq!(parent_and_pages("7 (x) S"), None);
    }

    #[test]
    fn a_child_is_counted() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let seen = usage(std::process::id().cast_signed());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen > 0);
    }
}
