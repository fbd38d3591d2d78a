//! What all sandboxes of a machine share and one of them may take in ways that nobody can count: when it runs out,
//! somebody has to go, and the supervisors know nothing of one another. Each waits the shorter, the more of the loss
//! its own sandbox cannot explain, so the one with the largest unexplained loss goes first; then there is enough again
//! for the others.

use std::path::Path;
use std::time::{Duration, Instant};

/// How long a sandbox that explains all of the loss goes on: long enough that who explains a hundredth of it is looked
/// at several times after who explains nothing, and what that one frees is seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who has less than this part of the reserve stays: ending it would free nothing.
const INNOCENT: u64 = 8;

/// How much of it there is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stock {
    pub(super) left: u64,
    pub(super) whole: u64,
}

impl Stock {
    /// Of the disk below a folder.
    pub(super) fn of_disk(folder: &Path) -> std::io::Result<Stock> {
        let disk = rustix::fs::statvfs(folder)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Stock { left: bytes(disk.f_bavail), whole: bytes(disk.f_blocks) })
    }

    /// Of the machine's memory and swap space; `None` where the kernel does not say.
    pub(super) fn of_memory() -> Option<Stock> {
        of_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)
    }
}

fn of_meminfo(text: &str) -> Option<Stock> {
    let sum =
        |memory: &str, swap: &str| Some(value(text, memory)?.saturating_add(value(text, swap).unwrap_or(0)));
    Some(Stock { left: sum("MemAvailable:", "SwapFree:")?, whole: sum("MemTotal:", "SwapTotal:")? })
}

fn value(meminfo: &str, name: &str) -> Option<u64> {
    let rest = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What is known of the use of one stock.
#[derive(Debug)]
pub(super) struct Shortage {
    reserve: u64,
    /// The most that there ever was without this sandbox's own use.
    most: u64,
    since: Option<Instant>,
}

impl Shortage {
    pub(super) fn new(reserve: u64) -> Shortage {
        Shortage { reserve, most: 0, since: None }
    }

    /// Notes what is left while the sandbox has `own` bytes; what was lost and is not its own.
    pub(super) fn unexplained(&mut self, stock: Stock, own: u64) -> u64 {
        self.most = self.most.max(stock.left.saturating_add(own).min(stock.whole));
        self.most.saturating_sub(stock.left).saturating_sub(own)
    }

    /// Whether this sandbox has to go.
    pub(super) fn look(&mut self, now: Instant, stock: Stock, own: u64) -> bool {
        let unexplained = self.unexplained(stock, own);
        let guilty = own.saturating_add(unexplained) > self.reserve / INNOCENT;
        if stock.left >= self.reserve || !guilty {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now.saturating_duration_since(since) >= patience(unexplained, stock.whole)
    }
}

fn patience(unexplained: u64, whole: u64) -> Duration {
    let thousandths = u128::from(unexplained) * 1000 / u128::from(whole.max(1));
    let explained = 1000u32.saturating_sub(u32::try_from(thousandths).unwrap_or(1000));
    // By its root, for it matters most among those who explain little: one of them hoards.
    PATIENCE * (explained * 1000).isqrt() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn stock(left: u64) -> Stock {
        Stock { left, whole: 100 * GIB }
    }

    /// After how many looks, four a second, a sandbox goes that was opened when all was free.
    fn goes_after(left: u64, own: u64) -> Option<u32> {
        let mut shortage = Shortage::new(GIB);
        let began = Instant::now();
        assert!(!shortage.look(began, stock(100 * GIB), 0));
        (0..200).find(|step| shortage.look(began + super::super::WATCH_INTERVAL * *step, stock(left), own))
    }

    #[test]
    fn nobody_goes_while_there_is_enough() {
        assert_eq!(goes_after(GIB, 0), None);
        assert_eq!(goes_after(50 * GIB, 40 * GIB), None);
    }

    #[test]
    fn who_explains_the_least_goes_first() {
        let hidden = goes_after(0, 0);
        let half = goes_after(0, 50 * GIB);
        let honest = goes_after(0, 100 * GIB);
        assert_eq!(hidden, Some(0));
        assert!(hidden < half && half < honest && honest.is_some(), "{half:?} {honest:?}");
    }

    /// Looks of two supervisors can be as far apart as a look is long, at the begin and at the end of the patience, and
    /// what a killed sandbox held takes a moment to be free.
    #[test]
    fn who_explains_a_hundredth_is_looked_at_several_times_after_who_explains_nothing() {
        let (hidden, hundredth) = (goes_after(0, 0).unwrap(), goes_after(0, GIB).unwrap());
        assert!(hundredth >= hidden + 8, "{hidden} {hundredth}");
        let twice = goes_after(0, 2 * GIB).unwrap();
        assert!(twice >= hundredth + 4, "{hundredth} {twice}");
    }

    #[test]
    fn who_has_nothing_stays() {
        let mut shortage = Shortage::new(GIB);
        let now = Instant::now();
        // It was scarce before this one was opened.
        assert!(!shortage.look(now, stock(GIB / 2), 1000));
        assert!(!shortage.look(now + PATIENCE * 2, stock(GIB / 2), 1000));
    }

    #[test]
    fn what_others_gave_back_hides_nothing() {
        let mut shortage = Shortage::new(GIB);
        assert_eq!(shortage.unexplained(stock(10 * GIB), 0), 0);
        assert_eq!(shortage.unexplained(stock(60 * GIB), 0), 0);
        assert_eq!(shortage.unexplained(stock(20 * GIB), 5 * GIB), 35 * GIB);
    }

    #[test]
    fn a_shortage_that_passes_is_forgotten() {
        let mut shortage = Shortage::new(GIB);
        let now = Instant::now();
        assert!(!shortage.look(now, stock(50 * GIB), 50 * GIB));
        assert!(!shortage.look(now, stock(0), 100 * GIB));
        assert!(!shortage.look(now + PATIENCE, stock(50 * GIB), 50 * GIB));
        assert!(!shortage.look(now + PATIENCE * 2, stock(0), 100 * GIB));
        assert!(shortage.look(now + PATIENCE * 4, stock(0), 100 * GIB));
    }

    #[test]
    fn the_kernels_figures_are_read() {
        assert_eq!(value("MemTotal:       24683656 kB\nMemFree: 1 kB\n", "MemFree:"), Some(1024));
        assert_eq!(value("MemTotal: 5\n", "MemTotal:"), None);
        let text = "MemTotal: 8 kB\nMemAvailable: 3 kB\nSwapTotal: 4 kB\nSwapFree: 2 kB\n";
        assert_eq!(of_meminfo(text), Some(Stock { left: 5 << 10, whole: 12 << 10 }));
        assert_eq!(of_meminfo("MemTotal: 8 kB\n"), None);
        assert!(Stock::of_memory().is_some_and(|stock| stock.left < stock.whole));
    }
}
