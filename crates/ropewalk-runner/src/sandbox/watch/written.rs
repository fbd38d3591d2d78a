//! What processes have had written, for programs that write where others do: no walk can tell whose files are whose.

use super::tree;
use std::collections::HashMap;

/// Bytes that the processes below another one have had written to disks, as the kernel counts them: also what was
/// overwritten or removed again, and nothing of what is in memory only. Where the kernel does not count, none.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// By process: its number may belong to another one later, which has written less.
    living: HashMap<i32, u64>,
    ended: u64,
}

impl Written {
    /// All that was written until now. What a process wrote after the last look before its end is missing.
    pub(crate) fn below(&mut self, root: i32) -> u64 {
        let found = tree::below(root).into_iter().filter_map(|process| Some((process.pid, of(process.pid)?)));
        self.take(found.collect())
    }

    fn take(&mut self, found: HashMap<i32, u64>) -> u64 {
        for (pid, bytes) in std::mem::take(&mut self.living) {
            if found.get(&pid).is_none_or(|now| *now < bytes) {
                self.ended = self.ended.saturating_add(bytes);
            }
        }
        self.living = found;
        self.living.values().copied().fold(self.ended, u64::saturating_add)
    }
}

fn of(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_gone_still_counts() {
        let mut written = Written::default();
        assert_eq!(written.take(HashMap::from([(1, 10), (2, 5)])), 15);
        assert_eq!(written.take(HashMap::from([(1, 30)])), 35);
        // Another process with the number of the first.
        assert_eq!(written.take(HashMap::from([(1, 1)])), 36);
        assert_eq!(written.take(HashMap::new()), 36);
    }
}
