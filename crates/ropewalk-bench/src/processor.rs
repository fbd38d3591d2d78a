//! Processor time and memory of other processes, as the kernel counts them.

use anyhow::{Context, Result};
use std::time::Duration;

/// A line of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    /// Ticks in user and kernel mode, of the process and of the children that it waited for.
    ticks: [u64; 4],
}

impl Stat {
    fn of(pid: u32) -> Result<Stat> {
        let path = format!("/proc/{pid}/stat");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        Stat::read(&text).with_context(|| format!("{path} is not understood: {text}"))
    }

    fn read(text: &str) -> Option<Stat> {
        // The name stands in parentheses and may hold any.
        let (_, rest) = text.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let parent = fields.nth(1)?.parse().ok()?;
        let mut ticks = fields.skip(9).map(|field| field.parse().ok());
        Some(Stat { parent, ticks: [ticks.next()??, ticks.next()??, ticks.next()??, ticks.next()??] })
    }
}

/// What a process and all children that it waited for used until now.
pub(crate) fn used(pid: u32) -> Result<Duration> {
    Ok(time(Stat::of(pid)?.ticks.iter().sum()))
}

/// What the children that a process waited for used until now, without itself.
pub(crate) fn used_by_children(pid: u32) -> Result<Duration> {
    let [_, _, user, kernel] = Stat::of(pid)?.ticks;
    Ok(time(user + kernel))
}

fn time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Children of a process that still are.
pub(crate) fn children(of: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| Stat::of(*pid).is_ok_and(|stat| stat.parent == of)).collect()
}

/// Bytes of memory of a process, by the name of the line in `/proc/PID/status`: `VmRSS` now, `VmHWM` at most.
pub(crate) fn memory(pid: u32, line: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let number = |text: &str| text.trim().strip_suffix(" kB")?.parse::<u64>().ok();
    let found = text.lines().find_map(|text| number(text.strip_prefix(line)?.strip_prefix(':')?));
    Ok(found.with_context(|| format!("{path} has no {line}"))? << 10)
}

/// Lets `VmHWM` begin anew.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_misleads_nobody() {
        let line = "7 (a) R 9 (b) S 3 7 7 0 -1 4194560 1 2 3 4 50 60 70 80 20 0 1 0 5 6 7";
        let stat = Stat::read(line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (3, [50, 60, 70, 80]));
    }

    #[test]
    fn this_process_is_a_child_of_its_parent_and_has_memory() {
        let own = std::process::id();
        assert!(
            children(rustix::process::getppid().unwrap().as_raw_nonzero().get().cast_unsigned())
                .contains(&own)
        );
        assert!(memory(own, "VmRSS").unwrap() > 0);
    }
}
