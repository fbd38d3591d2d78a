//! Memory: the control group's word where there is one, else what all processes together have.

use super::super::cgroup::Group;
use super::super::weaken::{Guard, is_off};
use super::process::Space;
use super::shortage::{Shortage, Stock};
use super::stores::Stores;
use super::tree::Shared;
use super::{Breach, Portion, files, tree};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How much of a processor's time one look may count exactly; the next one goes on with it.
const COUNT: Duration = Duration::from_millis(400);
/// After so many looks, seconds of a processor's time, a count is over, and what it did not reach counts as what it has
/// at most: processes that live shorter than a look would be counted for ever.
const LOOKS: u32 = 40;
/// How much of it one look may search for files in memory; the next one goes on with it.
const SEARCH: Duration = Duration::from_millis(100);
/// How many times as long as the last exact count took no other begins, unless it was over the limit: it must not eat
/// a processor.
const REST: u32 = 3;
/// What must stay available on the machine, whatever the limits say; on small machines a part of all there is.
const RESERVE: u64 = 256 << 20;
const RESERVED_PART: u64 = 32;

/// How a sandbox's memory is watched.
#[derive(Debug)]
pub(super) struct Memory {
    init: i32,
    limit: u64,
    group: Option<Group>,
    /// The device of what is in memory only.
    device: u64,
    stores: Stores,
    search: files::Search,
    counting: Counting,
    no_count_before: Option<Instant>,
    /// Whether the last exact count was over the limit.
    was_over: bool,
    shortage: Shortage,
}

/// An exact count under way.
#[derive(Debug, Default)]
struct Counting {
    /// What was counted of each space, by the thread that it was found by.
    parts: HashMap<i32, u64>,
    looks: u32,
    taken: Duration,
}

impl Memory {
    pub(super) fn new(init: i32, limit: u64, group: Option<Group>) -> std::io::Result<Memory> {
        let (device, stores) = (files::memory_device()?, Stores::default());
        let reserve = Stock::of_memory().map_or(RESERVE, |stock| RESERVE.min(stock.whole / RESERVED_PART));
        let shortage = Shortage::new(reserve);
        let (search, counting) = (files::Search::default(), Counting::default());
        let (no_count_before, was_over) = (None, false);
        Ok(Memory {
            init,
            limit,
            group,
            device,
            stores,
            search,
            counting,
            no_count_before,
            was_over,
            shortage,
        })
    }

    pub(super) fn enforced(&self) -> bool {
        self.group.is_some()
    }

    /// Counts what these hold, too.
    pub(super) fn add(&mut self, stores: Stores) {
        self.stores = stores;
    }

    pub(super) fn look(&mut self) -> Option<Breach> {
        match &self.group {
            // The kernel ends single processes; a build must not pass over that.
            Some(group) if group.kills() > 0 => {
                Some(Breach::Memory { used: group.memory(), limit: self.limit })
            }
            Some(_) => None,
            None => self.sample(),
        }
    }

    fn sample(&mut self) -> Option<Breach> {
        let processes = tree::below(self.init);
        let mut spaces: Vec<Space> = processes.iter().filter_map(|process| Space::of(*process)).collect();
        if is_off(Guard::Accounting) {
            let used: u64 = spaces.iter().map(Space::private).sum();
            return (used > self.limit).then_some(Breach::Memory { used, limit: self.limit });
        }
        let device = self.device;
        let portion = Portion::of(SEARCH);
        let open = self.search.open(&processes, &|on| on == device, &|| portion.lasts());
        let stored = self.stores.bytes().saturating_add(open.values().sum());
        let at_most = spaces.iter().map(Space::at_most).fold(stored, u64::saturating_add);
        if at_most <= self.limit {
            self.was_over = false;
            self.counting = Counting::default();
        } else if self.no_count_before.is_none_or(|then| Instant::now() >= then)
            && let Some(used) = self.count(&mut spaces, stored, &open)
        {
            let taken = std::mem::take(&mut self.counting).taken;
            let over = used > self.limit;
            // Processes are counted one after another: what they begin to share meanwhile counts too
            // much, once.
            if over && self.was_over {
                return Some(Breach::Memory { used, limit: self.limit });
            }
            self.was_over = over;
            // What is over is looked at again at once.
            self.no_count_before = if over { None } else { Instant::now().checked_add(taken * REST) };
        }
        let stock = Stock::of_memory()?;
        let over = self.shortage.look(Instant::now(), stock, at_most);
        over.then_some(Breach::Starved { available: stock.left })
    }

    /// What is in use exactly, or the first figure that is within the limit. `None` when the next look has to go on.
    fn count(&mut self, spaces: &mut Vec<Space>, stored: u64, open: &files::Nameless) -> Option<u64> {
        let (began, portion) = (Instant::now(), Portion::of(COUNT));
        self.counting.looks += 1;
        spaces.sort_by_key(|space| std::cmp::Reverse(space.at_most()));
        // Between a fork that shares all memory (vfork) and its exec two processes have the same.
        spaces.dedup_by(|later, kept| {
            later.at_most() == kept.at_most() && tree::share(later.thread, kept.thread, Shared::Memory)
        });
        let counts = |id: files::Id, name: &str| {
            id.0 == self.device && !self.stores.hold(name) && !open.contains_key(&id)
        };
        let mut used = spaces.iter().map(Space::at_most).fold(stored, u64::saturating_add);
        let mut complete = true;
        for space in spaces {
            let known = self.counting.parts.get(&space.thread).copied();
            let part = match known {
                _ if used <= self.limit => break,
                Some(part) => part,
                None if portion.lasts() => space.part(&counts),
                None => {
                    complete = false;
                    continue;
                }
            };
            self.counting.parts.insert(space.thread, part);
            // A number may belong to another process by now.
            used = used.saturating_sub(space.at_most()).saturating_add(part.min(space.at_most()));
        }
        self.counting.taken += began.elapsed();
        (complete || used <= self.limit || self.counting.looks >= LOOKS).then_some(used)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn watched(limit: u64) -> Memory {
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        Memory::new(parent, limit, None).unwrap()
    }

    #[test]
    fn a_passing_excess_is_forgotten() {
        let mut memory = watched(u64::MAX);
        memory.was_over = true;
        assert_eq!(memory.look(), None);
        assert!(!memory.was_over);
        memory.limit = 1;
        assert_eq!(memory.look(), None, "once is not enough");
        assert!(matches!(memory.look(), Some(Breach::Memory { .. })));
    }

    #[test]
    fn a_count_goes_on_with_what_it_knows() {
        let mut memory = watched(1);
        let mut spaces: Vec<Space> = tree::below(memory.init).into_iter().filter_map(Space::of).collect();
        let known: HashMap<i32, u64> = spaces.iter().map(|space| (space.thread, 0)).collect();
        assert!(!known.is_empty());
        memory.counting.parts = known;
        assert_eq!(memory.count(&mut spaces, 0, &files::Nameless::new()), Some(0));
    }
}
