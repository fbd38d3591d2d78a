//! Memory: the control group's word where there is one, else what all processes together have.

use super::super::cgroup::Group;
use super::super::weaken::{Guard, is_off};
use super::process::Space;
use super::shortage::{Shortage, Stock};
use super::stores::Stores;
use super::tree::Shared;
use super::{Breach, files, tree};
use std::time::{Duration, Instant};

/// How much of a processor's time one exact count may take (not of the clock's: the machine may be busy with others).
/// What it does not reach counts as what it has at most.
const COUNT: Duration = Duration::from_millis(400);
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
    no_count_before: Option<Instant>,
    /// Whether the last exact count was over the limit.
    was_over: bool,
    shortage: Shortage,
}

impl Memory {
    pub(super) fn new(init: i32, limit: u64, group: Option<Group>) -> std::io::Result<Memory> {
        let (device, stores) = (files::memory_device()?, Stores::default());
        let reserve = Stock::of_memory().map_or(RESERVE, |stock| RESERVE.min(stock.whole / RESERVED_PART));
        let shortage = Shortage::new(reserve);
        Ok(Memory { init, limit, group, device, stores, no_count_before: None, was_over: false, shortage })
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
        let open = files::open(&processes, &|on| on == device);
        let stored = self.stores.bytes().saturating_add(open.values().sum());
        let at_most = spaces.iter().map(Space::at_most).fold(stored, u64::saturating_add);
        if at_most > self.limit && self.no_count_before.is_none_or(|then| Instant::now() >= then) {
            let began = Instant::now();
            let used = self.count(&mut spaces, stored, &open);
            let over = used > self.limit;
            // Processes are counted one after another: what they begin to share meanwhile counts too
            // much, once.
            if over && self.was_over {
                return Some(Breach::Memory { used, limit: self.limit });
            }
            self.was_over = over;
            // What is over is looked at again at once.
            self.no_count_before =
                if over { None } else { Instant::now().checked_add(began.elapsed() * REST) };
        }
        let stock = Stock::of_memory()?;
        let over = self.shortage.look(Instant::now(), stock, at_most);
        over.then_some(Breach::Starved { available: stock.left })
    }

    /// What is in use exactly, or the first figure that is within the limit.
    fn count(&self, spaces: &mut Vec<Space>, stored: u64, open: &files::Nameless) -> u64 {
        let began = processor_time();
        spaces.sort_by_key(|space| std::cmp::Reverse(space.at_most()));
        // Between a fork that shares all memory (vfork) and its exec two processes have the same.
        spaces.dedup_by(|later, kept| {
            later.at_most() == kept.at_most() && tree::share(later.thread, kept.thread, Shared::Memory)
        });
        let counts = |id: files::Id, name: &str| {
            id.0 == self.device && !self.stores.hold(name) && !open.contains_key(&id)
        };
        let mut used = spaces.iter().map(Space::at_most).fold(stored, u64::saturating_add);
        for space in spaces {
            if used <= self.limit || processor_time().saturating_sub(began) > COUNT {
                break;
            }
            used = used.saturating_sub(space.at_most()).saturating_add(space.part(&counts));
        }
        used
    }
}

/// What this thread has taken of a processor so far.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}
