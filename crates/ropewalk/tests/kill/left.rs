//! What must not be there when a farm has stopped: processes, mounts, control groups, spools.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to end what has lost its parent.
const PATIENCE: Duration = Duration::from_secs(10);

/// Panics if anything of the farm in `folder` is left on the machine. Its builds sleep for `mark` seconds; `before` are
/// the control groups that others had left when it began.
pub(crate) fn assert_nothing_left(folder: &Path, mark: &str, before: &BTreeSet<String>) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left: Vec<String> = [
            processes(folder, mark),
            mounts(folder),
            groups().difference(before).cloned().collect(),
            spools(folder),
        ]
        .into_iter()
        .flatten()
        .collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "left behind: {left:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ours by the folder that they are told, the builds' by how long they sleep. A namespace ends with its last process.
fn processes(folder: &Path, mark: &str) -> Vec<String> {
    let (folder, sleeper) = (folder.display().to_string(), format!("sleep {mark}"));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<i32>().ok()?;
        let line =
            String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        let is_left = line.contains(&folder) || line.trim_end() == sleeper || is_orphan(&line, &entry.path());
        is_left.then(|| format!("process {} {line}", entry.file_name().display()))
    });
    lines.collect()
}

/// Whether it is the first process of a sandbox whose supervisor is gone: it names no folder.
fn is_orphan(line: &str, process: &Path) -> bool {
    line.starts_with("ropewalk-init") && {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        let parent = parent.map(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default());
        parent.is_some_and(|line| !line.windows(9).any(|part| part == b"supervise"))
    }
}

fn mounts(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    all.lines().filter(|line| line.contains(&folder)).map(|line| format!("mount {line}")).collect()
}

/// Control groups of attempts that hold no process. Other farms' groups hold some for as long as they are needed.
pub(crate) fn groups() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let ours = entry.file_name().to_str().is_some_and(is_attempts);
            let tasks = std::fs::read_to_string(entry.path().join("cgroup.procs"));
            if ours && tasks.is_ok_and(|tasks| tasks.is_empty()) {
                found.insert(format!("control group {}", entry.path().display()));
            }
            folders.push(entry.path());
        }
    }
    found
}

/// `ropewalk-ATTEMPT-FENCE-INODE`
fn is_attempts(group: &str) -> bool {
    group.strip_prefix("ropewalk-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Spools of attempts; beside them lies the agent's lock.
pub(crate) fn spools(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder.join("data/spool")).expect("the data folder has a spool");
    let folders = all.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| format!("spool {}", entry.path().display())).collect()
}
