//! The memory of one address space.

use super::super::weaken::{Guard, is_off};
use super::files::{Area, Id};
use super::tree::Process;
use std::path::PathBuf;

/// An address space and what the kernel counts for it at no cost.
#[derive(Debug)]
pub(super) struct Space {
    /// A thread that lives in it.
    pub(super) thread: i32,
    folder: PathBuf,
    counters: Counters,
}

/// Bytes, as `/proc/PID/status` has them. What several processes share counts in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counters {
    /// Memory that belongs to no file.
    anonymous: u64,
    /// Pages of memory files and shared memory.
    shared: u64,
    swapped: u64,
    /// The page tables themselves.
    tables: u64,
}

impl Space {
    /// `None` for a process that has ended. One whose first thread has ended is found by another.
    pub(super) fn of(process: Process) -> Option<Space> {
        let whole = PathBuf::from(format!("/proc/{}", process.pid));
        let counters =
            |folder: &PathBuf| std::fs::read_to_string(folder.join("status")).ok().and_then(|t| count(&t));
        if let Some(counters) = counters(&whole) {
            return Some(Space { thread: process.pid, folder: whole, counters });
        }
        if is_off(Guard::Accounting) {
            return None;
        }
        process.threads().into_iter().find_map(|thread| {
            let folder = whole.join(format!("task/{thread}"));
            counters(&folder).map(|counters| Space { thread, folder, counters })
        })
    }

    /// Bytes that belong to no file.
    pub(super) fn private(&self) -> u64 {
        self.counters.anonymous
    }

    /// At most this many bytes are in use.
    pub(super) fn at_most(&self) -> u64 {
        let Counters { anonymous, shared, swapped, tables } = self.counters;
        anonymous.saturating_add(shared).saturating_add(swapped).saturating_add(tables)
    }

    /// Its part of the bytes in use: what it shares is divided by those who share it. Of files in memory only those
    /// count for which `counts` holds. Walks all of its page tables. Where the kernel does not say, what it has at most.
    pub(super) fn part(&self, counts: &dyn Fn(Id, &str) -> bool) -> u64 {
        let Ok(rollup) = std::fs::read_to_string(self.folder.join("smaps_rollup")) else {
            return self.at_most();
        };
        let value = |name: &str| rollup.lines().find_map(|line| kilobytes(line, name));
        let (Some(anonymous), Some(shared)) = (value("Pss_Anon:"), value("Pss_Shmem:")) else {
            return self.at_most();
        };
        let swapped = value("SwapPss:").unwrap_or(self.counters.swapped);
        let own = anonymous.saturating_add(swapped).saturating_add(self.counters.tables);
        if shared == 0 {
            return own;
        }
        let areas = std::fs::read_to_string(self.folder.join("smaps")).unwrap_or_default();
        own.saturating_add(mapped(&areas, counts))
    }
}

/// Proportional bytes of the areas of files for which `counts` holds.
fn mapped(areas: &str, counts: &dyn Fn(Id, &str) -> bool) -> u64 {
    let mut bytes = 0u64;
    let mut counting = false;
    for line in areas.lines() {
        if line.starts_with(|first: char| first.is_ascii_uppercase()) {
            let part = if counting { kilobytes(line, "Pss:") } else { None };
            bytes = bytes.saturating_add(part.unwrap_or(0));
        } else {
            counting = Area::parse(line).is_some_and(|area| counts(area.id, area.name));
        }
    }
    bytes
}

fn count(status: &str) -> Option<Counters> {
    let value = |name: &str| status.lines().find_map(|line| kilobytes(line, name));
    Some(Counters {
        anonymous: value("RssAnon:")?,
        shared: value("RssShmem:")?,
        swapped: value("VmSwap:").unwrap_or(0),
        tables: value("VmPTE:").unwrap_or(0),
    })
}

/// The bytes of a line such as `Pss:   231 kB`.
fn kilobytes(line: &str, name: &str) -> Option<u64> {
    let number = line.strip_prefix(name)?.trim().strip_suffix(" kB")?;
    number.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_and_an_ended_process_has_none() {
        let status = "Name:\tx\nRssAnon:\t     144 kB\nRssFile:\t 9 kB\nRssShmem:\t       8 kB\nVmPTE:\t      52 kB\nVmSwap:\t       4 kB\n";
        let expected = Counters { anonymous: 144 << 10, shared: 8 << 10, swapped: 4 << 10, tables: 52 << 10 };
        assert_eq!(count(status), Some(expected));
        assert_eq!(count("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn files_in_memory_count_as_far_as_they_are_asked_for() {
        let smaps = "7f00-7f10 rw-s 00000000 00:01 7      /memfd:x (deleted)\nRss:  8 kB\nPss:  8 kB\nPss_Dirty: 8 kB\nVmFlags: rd\n7f20-7f30 rw-p 00000000 00:00 0 \nPss:  16 kB\n7f40-7f50 rw-s 00000000 00:01 8      /dev/zero (deleted)\nPss:  32 kB\n";
        assert_eq!(mapped(smaps, &|id, _| id.1 == 7), 8 << 10);
        assert_eq!(mapped(smaps, &|_, name| name.starts_with("/dev/zero")), 32 << 10);
        assert_eq!(mapped(smaps, &|_, _| true), 40 << 10);
        assert_eq!(mapped("", &|_, _| true), 0);
    }

    #[test]
    fn the_part_of_this_process_is_not_more_than_its_counters() {
        let me = std::process::id().cast_signed();
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        let process = super::super::tree::below(parent).into_iter().find(|p| p.pid == me).unwrap();
        let held = vec![1u8; 64 << 20];
        let space = Space::of(process).unwrap();
        let part = space.part(&|_, _| false);
        // The counters lag behind by some pages for each processor.
        assert!((64 << 20..space.at_most() + (8 << 20)).contains(&part), "{part} of {}", space.at_most());
        drop(held);
    }
}
