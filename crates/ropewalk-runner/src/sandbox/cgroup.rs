//! Limits through control groups, where the host lets us: version 1 or hybrid as root, version 2
//! as root or with a delegated group.

use super::spec::Limits;
use super::weaken::{Guard, is_off};
use crate::spool::Process;
use std::fs::{File, OpenOptions, create_dir_all, read_to_string, remove_dir, write};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// A group's file of processes.
const MEMBERS: &str = "cgroup.procs";
/// Length of a scheduling period in microseconds.
const PERIOD: u64 = 100_000;

/// The control groups of one sandbox.
#[derive(Debug)]
pub(super) struct Group {
    /// The one of the memory controller.
    memory: PathBuf,
}

/// The groups of one sandbox on this host.
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    /// Version 2: one folder.
    Unified(PathBuf),
    /// Version 1 or hybrid: a folder for each controller.
    PerController { memory: PathBuf, pids: PathBuf, cpu: PathBuf },
}

impl Layout {
    /// The groups of the sandbox `name`, whether or not they exist.
    fn of(name: &str) -> Layout {
        let name = format!("ropewalk-{name}");
        let root = Path::new(ROOT);
        if root.join("cgroup.controllers").exists() {
            let own = read_to_string("/proc/self/cgroup").unwrap_or_default();
            return Layout::Unified(beside(root, &own).join(name));
        }
        let [memory, pids, cpu] = ["memory", "pids", "cpu"].map(|c| root.join(c).join(&name));
        Layout::PerController { memory, pids, cpu }
    }

    fn folders(self) -> Vec<PathBuf> {
        match self {
            Layout::Unified(folder) => vec![folder],
            Layout::PerController { memory, pids, cpu } => vec![memory, pids, cpu],
        }
    }
}

/// Where new groups go: with "no internal processes" they are siblings of our own.
fn beside(root: &Path, own: &str) -> PathBuf {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or("");
    let own = root.join(own);
    if own == root { own } else { own.parent().unwrap_or(root).to_owned() }
}

/// Groups with limits for what has not begun yet.
#[derive(Debug)]
pub(super) struct Prepared {
    memory: PathBuf,
    /// Where a process is written that is to be in them, opened.
    entrances: Arc<Vec<File>>,
}

/// Makes the groups of the sandbox `name` and puts the process `pid` into them. `None` when the
/// host does not let us: then usage is sampled.
pub(super) fn join(name: &str, pid: i32, limits: &Limits) -> Option<Group> {
    let prepared = prepare(name, limits)?;
    enter(&prepared.entrances, pid).then_some(Group { memory: prepared.memory })
}

/// Makes the groups of the sandbox `name`. `None` when the host does not let us.
pub(super) fn prepare(name: &str, limits: &Limits) -> Option<Prepared> {
    if is_off(Guard::ControlGroups) {
        return None;
    }
    let layout = Layout::of(name);
    let limited = match &layout {
        Layout::Unified(folder) => {
            let memory = set(folder, "memory.max", limits.memory);
            // Absent where there is no swap or no group kill; the watch sees to the rest.
            set(folder, "memory.swap.max", 0);
            set(folder, "memory.oom.group", 1);
            set_cpu(folder, "cpu.max", limits);
            memory && set(folder, "pids.max", limits.processes)
        }
        Layout::PerController { memory, pids, cpu } => {
            set_cpu(cpu, "cpu.cfs_quota_us", limits);
            let limited = set(memory, "memory.limit_in_bytes", limits.memory);
            set(memory, "memory.memsw.limit_in_bytes", limits.memory);
            limited && set(pids, "pids.max", limits.processes)
        }
    };
    if !limited {
        return None;
    }
    let open = |folder: &PathBuf| OpenOptions::new().write(true).open(folder.join(MEMBERS));
    let entrances = match &layout {
        Layout::Unified(folder) => vec![open(folder).ok()?],
        // No group of the processors' is better than none at all.
        Layout::PerController { memory, pids, cpu } => {
            open(cpu).into_iter().chain([open(memory).ok()?, open(pids).ok()?]).collect()
        }
    };
    let (Layout::Unified(memory) | Layout::PerController { memory, .. }) = layout;
    Some(Prepared { memory, entrances: Arc::new(entrances) })
}

impl Prepared {
    /// Puts the process that calls it into the groups, if it can be: [`Prepared::holds`] tells. For a program before it
    /// is started, whose children would else be outside if they came early.
    pub(super) fn entering(&self) -> impl Fn() + Send + Sync + 'static {
        let entrances = self.entrances.clone();
        move || {
            enter(&entrances, 0);
        }
    }

    /// The groups, if this process is in them.
    pub(super) fn holds(&self, pid: i32) -> Option<Group> {
        let members = read_to_string(self.memory.join(MEMBERS)).ok()?;
        let pid = pid.to_string();
        members.lines().any(|member| member == pid).then(|| Group { memory: self.memory.clone() })
    }
}

/// Of version 1 the last two must hold it, those of memory and processes. 0 is the caller.
fn enter(entrances: &[File], pid: i32) -> bool {
    let entered = |mut entrance: &File| entrance.write_all(pid.to_string().as_bytes()).is_ok();
    let entered: Vec<bool> = entrances.iter().map(entered).collect();
    entered.iter().rev().take(2).all(|entered| *entered)
}

fn set(folder: &Path, file: &str, value: u64) -> bool {
    set_text(folder, file, &value.to_string())
}

fn set_text(folder: &Path, file: &str, value: &str) -> bool {
    create_dir_all(folder).is_ok() && write(folder.join(file), value).is_ok()
}

fn set_cpu(folder: &Path, file: &str, limits: &Limits) {
    if limits.cpus > 0 {
        let quota = u64::from(limits.cpus).saturating_mul(PERIOD);
        let value = if file == "cpu.max" { format!("{quota} {PERIOD}") } else { quota.to_string() };
        set_text(folder, file, &value);
    }
}

impl Group {
    /// How many processes the kernel has ended here for want of memory.
    pub(super) fn kills(&self) -> u64 {
        let events = ["memory.events", "memory.oom_control"];
        events.iter().filter_map(|file| read_to_string(self.memory.join(file)).ok()).map(|t| kills(&t)).sum()
    }

    /// Bytes in use.
    pub(super) fn memory(&self) -> u64 {
        let files = ["memory.peak", "memory.max_usage_in_bytes", "memory.current"];
        let mut found = files.iter().filter_map(|file| read_to_string(self.memory.join(file)).ok());
        found.find_map(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

/// The `oom_kill` line of version 2's memory.events and version 1's memory.oom_control.
fn kills(events: &str) -> u64 {
    let line = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Where the groups of the sandbox `name` are that this process opens, whether or not they exist.
#[must_use]
pub fn groups(name: &str) -> Vec<PathBuf> {
    Layout::of(name).folders()
}

/// Kills what is in these groups. Processes that it cannot see or may not kill stay.
pub fn kill(groups: &[PathBuf]) {
    for folder in groups {
        // Version 2 ends all at once.
        if write(folder.join("cgroup.kill"), "1").is_ok() {
            continue;
        }
        let members = || read_to_string(folder.join(MEMBERS)).unwrap_or_default();
        for pid in members().lines().filter_map(|pid| pid.parse().ok()) {
            // By now the number may be another process's, but for one that is in the group still.
            if let Some(process) = Process::of(pid)
                && members().lines().any(|member| member.parse() == Ok(pid))
            {
                let _ = process.kill();
            }
        }
    }
}

/// Removes the groups of a sandbox, also those that a killed supervisor left. False when one of them
/// still has a process that is about to end.
pub fn remove(groups: &[PathBuf]) -> bool {
    // Whatever else is said will be said again: where control groups are mounted read-only, of every folder.
    let busy =
        |folder: &PathBuf| remove_dir(folder).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy);
    groups.iter().filter(|folder| busy(folder)).count() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_a_quota_of_each_period() {
        let folder = tempfile::tempdir().unwrap();
        let written = |file: &str, cpus| {
            let limits = Limits { memory: 1, processes: 1, disk: 1, cpus };
            set_cpu(folder.path(), file, &limits);
            read_to_string(folder.path().join(file)).ok()
        };
        assert_eq!(written("cpu.max", 0), None);
        assert_eq!(written("cpu.max", 2).as_deref(), Some("200000 100000"));
        assert_eq!(written("cpu.cfs_quota_us", 3).as_deref(), Some("300000"));
    }

    #[test]
    fn kills_are_counted_in_both_versions() {
        assert_eq!(kills("low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"), 2);
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"), 1);
        assert_eq!(kills(""), 0);
    }

    #[test]
    fn only_a_group_with_processes_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write(&file, "").unwrap();
        assert!(remove(&[folder.path().join("none"), file.join("below a file"), file]));
        assert!(!remove(&[Path::new("/proc").into()]), "a mount is busy");
    }

    #[test]
    fn groups_are_siblings_of_our_own_but_never_above_the_root() {
        let root = Path::new("/sys/fs/cgroup");
        let own = "1:name=systemd:/x\n0::/user.slice/ropewalk.service/agent\n";
        assert_eq!(beside(root, own), root.join("user.slice/ropewalk.service"));
        assert_eq!(beside(root, "0::/\n"), root);
        assert_eq!(beside(root, ""), root);
    }
}
