//! What must not be there when a farm has stopped: processes, namespaces, mounts, control groups, spools.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the kernel may take to end what has lost its parent.
const PATIENCE: Duration = Duration::from_secs(10);

/// What others had left on the machine before a farm began.
pub(crate) struct Before(BTreeSet<String>);

impl Before {
    pub(crate) fn look() -> Before {
        Before(groups().into_iter().chain(namespaces()).chain(orphans()).collect())
    }
}

/// Panics if anything of the farm in `folder` is left on the machine. Its builds sleep for `mark` seconds.
pub(crate) fn assert_nothing_left(folder: &Path, mark: &str, Before(before): &Before) {
    let until = Instant::now() + PATIENCE;
    loop {
        let left: Vec<String> = [
            processes(folder, mark),
            orphans().difference(before).cloned().collect(),
            mounts(folder),
            groups().difference(before).cloned().collect(),
            namespaces().difference(before).cloned().collect(),
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

/// Ours by the folder that they are told, the builds' by how long they sleep.
fn processes(folder: &Path, mark: &str) -> Vec<String> {
    let (folder, sleeper) = (folder.display().to_string(), format!("sleep {mark}"));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| {
        entry.file_name().to_str()?.parse::<i32>().ok()?;
        let line =
            String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        let is_left = line.contains(&folder) || line.trim_end() == sleeper;
        is_left.then(|| format!("process {} {line}", entry.file_name().display()))
    });
    lines.collect()
}

/// First processes of sandboxes whose supervisors are gone: they name no folder. Sandboxes of other tests have parents.
fn orphans() -> BTreeSet<String> {
    let lost = [0, 1, reaper()];
    let inits = pids().filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"ropewalk-init")
    });
    let orphans = inits.filter_map(Process::read).filter(|process| lost.contains(&process.parent));
    orphans.map(|process| format!("the first process of a sandbox, {}", process.pid)).collect()
}

/// Who takes in what has lost its parent: the first process of all, or another one above us.
fn reaper() -> i32 {
    static REAPER: std::sync::OnceLock<i32> = std::sync::OnceLock::new();
    *REAPER.get_or_init(|| {
        let script = "sleep 60 >/dev/null 2>&1 & echo $!";
        let started = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
        let pid = String::from_utf8(started.stdout).unwrap().trim().parse().unwrap();
        let parent = Process::read(pid).unwrap().parent;
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        parent
    })
}

/// Mounts of the farm's folders, or of namespaces that are kept by a file there, in every mount namespace.
fn mounts(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let tables = pids().filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok());
    let mut found = BTreeSet::new();
    for table in tables {
        found.extend(table.lines().filter(|line| line.contains(&folder)).map(|line| format!("mount {line}")));
    }
    found.into_iter().collect()
}

/// Namespaces below a user namespace that is not ours whose processes belong to nobody: the first of them has lost its
/// parent, and is no supervisor. Those of other farms on this machine have one.
fn namespaces() -> BTreeSet<String> {
    let all: Vec<Process> = pids().filter_map(Process::read).collect();
    let by_pid: BTreeMap<i32, &Process> = all.iter().map(|process| (process.pid, process)).collect();
    let Some(own) = user_namespace("self") else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for process in all.iter().filter(|process| process.user_namespace != own) {
        let mut first = process;
        while let Some(parent) = by_pid.get(&first.parent).filter(|parent| parent.user_namespace != own) {
            first = parent;
        }
        if first.parent <= 1 && !first.is_supervisor {
            found.extend(process.namespaces());
        }
    }
    found
}

struct Process {
    pid: i32,
    parent: i32,
    user_namespace: PathBuf,
    is_supervisor: bool,
}

impl Process {
    fn read(pid: i32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let is_supervisor = line.split(|byte| *byte == 0).nth(1) == Some(b"supervise");
        Some(Process { pid, parent, user_namespace: user_namespace(&pid.to_string())?, is_supervisor })
    }

    /// All that it is in or holds open.
    fn namespaces(&self) -> Vec<String> {
        let folders = ["ns", "fd"].map(|folder| format!("/proc/{}/{folder}", self.pid));
        let links = folders.into_iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
        let targets = links.flatten().filter_map(|link| std::fs::read_link(link.path()).ok());
        let named = targets.map(|target| target.display().to_string());
        let own = named.filter(|name| name.contains(":[") && !is_ours(name));
        own.filter(|name| !name.starts_with("pipe:") && !name.starts_with("socket:"))
            .map(|name| format!("namespace {name}"))
            .collect()
    }
}

fn user_namespace(pid: &str) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/user")).ok()
}

fn is_ours(namespace: &str) -> bool {
    let kind = namespace.split(':').next().unwrap_or_default();
    std::fs::read_link(format!("/proc/self/ns/{kind}")).is_ok_and(|own| own == Path::new(namespace))
}

fn pids() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Control groups of attempts that hold no process. Other farms' groups hold some for as long as they are needed.
fn groups() -> BTreeSet<String> {
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

/// The test of the test: a process in namespaces of its own that has lost its parent is found.
pub(crate) fn finds_an_orphan() {
    let before = Before::look().0;
    let found = || namespaces().difference(&before).cloned().collect::<Vec<_>>();
    let script = "unshare --user --net sleep 86399 >/dev/null 2>&1 & echo $!";
    let started = std::process::Command::new("sh").args(["-c", script]).output().unwrap();
    let pid: i32 = String::from_utf8(started.stdout).unwrap().trim().parse().unwrap();
    let until = Instant::now() + PATIENCE;
    let own = user_namespace("self");
    while user_namespace(&pid.to_string()) == own && Instant::now() < until {
        std::thread::yield_now();
    }
    let orphan = Process::read(pid).filter(|process| Some(&process.user_namespace) != own.as_ref());
    let names = orphan.as_ref().map(Process::namespaces).unwrap_or_default();
    let seen = found();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    match orphan {
        None => println!("NOT RUN here: orphans in namespaces: user namespaces are refused"),
        Some(orphan) if orphan.parent > 1 => {
            println!("NOT RUN here: orphans in namespaces: process {} takes them in", orphan.parent);
        }
        Some(_) => {
            assert!(names.iter().any(|name| name.contains("net:[")), "{names:?}");
            assert!(names.iter().all(|name| seen.contains(name)), "{names:?} are not among {seen:?}");
        }
    }
}
