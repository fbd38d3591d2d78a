//! Memory and process limits through control groups, where the host lets us: version 1 or hybrid
//! as root, version 2 as root or with a delegated group.

use super::spec::Limits;
use std::fs::{create_dir_all, read_to_string, remove_dir, write};
use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// The folders of the sandbox `name`.
fn folders(name: &str) -> Vec<PathBuf> {
    let name = format!("ropewalk-{name}");
    let root = Path::new(ROOT);
    if root.join("cgroup.controllers").exists() {
        let own = read_to_string("/proc/self/cgroup").unwrap_or_default();
        let own = own.lines().find_map(|l| l.strip_prefix("0::/")).unwrap_or("");
        let own = root.join(own);
        // With "no internal processes", the sandboxes' group is a sibling of the agent's.
        return vec![own.parent().unwrap_or(&own).join(name)];
    }
    ["memory", "pids"].map(|controller| root.join(controller).join(&name)).into()
}

/// Makes the groups of the sandbox `name` and puts the process `pid` into them. False when the
/// host does not let us: then usage has to be sampled.
#[must_use]
pub fn join(name: &str, pid: i32, limits: &Limits) -> bool {
    let values = [
        ("memory.max", limits.memory.to_string()),
        ("memory.swap.max", "0".into()),
        ("memory.oom.group", "1".into()),
        ("memory.limit_in_bytes", limits.memory.to_string()),
        ("pids.max", limits.processes.to_string()),
    ];
    folders(name).iter().all(|folder| {
        let made = create_dir_all(folder).is_ok();
        let set = values.iter().filter(|(file, value)| {
            let file = folder.join(file);
            file.exists() && write(file, value).is_ok()
        });
        made && set.count() > 0 && write(folder.join("cgroup.procs"), pid.to_string()).is_ok()
    })
}

/// Removes the groups of the sandbox `name`, also those that a killed supervisor left. They must
/// be empty; missing ones are fine.
pub fn remove(name: &str) {
    for folder in folders(name) {
        let _ = remove_dir(folder);
    }
}
