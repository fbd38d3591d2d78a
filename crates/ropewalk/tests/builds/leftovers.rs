//! What a build may leave on the machine: processes, mounts, control groups, namespaces.

use rustix::process::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

/// What is looked for.
pub(crate) struct Leftovers;

impl Leftovers {
    /// Processes whose last argument is this text.
    pub(crate) fn marked(mark: &str) -> usize {
        command_lines().filter(|(_, line)| line.last().is_some_and(|last| last == mark)).count()
    }

    /// Nothing of the attempt may be there.
    pub(crate) fn assert_none(mark: &str, id: i64) {
        assert_eq!(Leftovers::marked(mark), 0, "processes of the build are alive after its end was reported");
        assert_eq!(groups(id), Vec::<String>::new(), "control groups are left");
        assert_eq!(mounts(&format!("/{id}-")), Vec::<String>::new(), "mounts are left");
        // The network's helper holds neither the lock nor the spool: it follows its supervisor.
        let until = Instant::now() + Duration::from_secs(5);
        while !with_argument(&format!("/{id}-")).is_empty() {
            assert!(
                Instant::now() < until,
                "processes with the spool's name are left: {:?}",
                with_argument(&format!("/{id}-"))
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Mounts below the attempt's spool, in the mount namespace of any process.
fn mounts(part: &str) -> Vec<String> {
    let tables = std::fs::read_dir("/proc").unwrap().flatten();
    let tables = tables.filter_map(|entry| std::fs::read_to_string(entry.path().join("mountinfo")).ok());
    let lines = tables.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.contains(part)).collect()
}

/// Control groups of the attempt, in all hierarchies.
pub(crate) fn groups(id: i64) -> Vec<String> {
    let start = format!("ropewalk-{id}-");
    let mut found = vec![];
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_str().is_some_and(|name| name.starts_with(&start)) {
                    found.push(entry.path().display().to_string());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Whether this account may make control groups with a limit of memory.
pub(crate) fn can_make_groups() -> bool {
    let root = Path::new("/sys/fs/cgroup");
    let memory = root.join("memory");
    let folder = if memory.is_dir() { memory } else { root.to_owned() };
    let probe = folder.join(format!("ropewalk-probe-{}", std::process::id()));
    let made = std::fs::create_dir(&probe).is_ok();
    let limit = ["memory.limit_in_bytes", "memory.max"].map(|file| probe.join(file));
    let limits = limit.iter().any(|file| file.exists());
    let _ = std::fs::remove_dir(&probe);
    made && limits
}

fn command_lines() -> impl Iterator<Item = (i32, Vec<String>)> {
    std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        Some((pid, words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()))
    })
}

fn with_argument(part: &str) -> Vec<Vec<String>> {
    command_lines().map(|(_, line)| line).filter(|line| line.iter().any(|word| word.contains(part))).collect()
}

/// The supervisor that this process has started. Its network's helper has the same command line.
pub(crate) fn supervisor_of(parent: u32) -> Option<Pid> {
    let parent = parent.to_string();
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(&parent)
    };
    let mut all = command_lines().filter(|(_, line)| line.get(1).is_some_and(|word| word == "supervise"));
    all.find(|(pid, _)| is_child(pid)).and_then(|(pid, _)| Pid::from_raw(pid))
}

/// The supervisors of an attempt below a test's folder.
pub(crate) fn supervisors(folder: &Path, id: i64) -> Vec<Pid> {
    let spool = folder.join("spools").join(format!("{id}-{id}")).display().to_string();
    command_lines()
        .filter(|(_, line)| {
            line.get(1).is_some_and(|word| word == "supervise") && line.get(2) == Some(&spool)
        })
        .filter_map(|(pid, _)| Pid::from_raw(pid))
        .collect()
}

/// A process that another one started.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) name: String,
}

impl Child {
    pub(crate) fn is_in_our_pid_namespace(&self) -> bool {
        let of = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        of(&self.pid.as_raw_nonzero().to_string()) == of("self")
    }
}

pub(crate) fn children(parent: Pid) -> Vec<Child> {
    let pids = command_lines().filter_map(|(pid, _)| Pid::from_raw(pid));
    let read = |pid: Pid| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
        let of: i32 = fields.split_whitespace().nth(1)?.parse().ok()?;
        (Pid::from_raw(of) == Some(parent)).then(|| Child { pid, name: name.to_owned() })
    };
    pids.filter_map(read).collect()
}
