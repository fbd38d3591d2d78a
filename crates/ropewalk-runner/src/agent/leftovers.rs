//! What a build of Nix's leaves when its supervisor and Nix were both killed: builders are in namespaces of their own,
//! hold no lock, and are nobody's children.

use crate::inside::{Task, ask};
use crate::sandbox::cgroup;
use crate::spool::{Process, Spool};
use ropewalk_model::nix::NixTask;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Ends them: by the control groups of the attempt, by the account that only this build has, and by the folder that
/// Nix made their root, whichever there is.
pub(super) fn end(spool: &Spool, groups: &[PathBuf]) -> Result<(), String> {
    let plan = spool.plan().ok().and_then(|sealed| sealed.open().ok());
    let Some(NixTask::Realise(task)) = plan.and_then(|plan| plan.nix) else { return Ok(()) };
    cgroup::kill(groups);
    if let Some(account) = spool.account() {
        let task = Task::<(), ()>::EndAccount(account, spool.head.settings.data.clone());
        return ask::<Result<(), String>>(&task, &mut |_| {})?;
    }
    end_in(&format!("{}.chroot", task.drv_path));
    Ok(())
}

/// Kills our own processes that see this folder as a root. Another attempt at the derivation cannot run: the store has
/// a lock for each.
fn end_in(root: &str) {
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let is_own = own == 0 || entry.metadata().is_ok_and(|meta| meta.uid() == own);
        let Some(process) = Process::of(pid).filter(|_| is_own) else { continue };
        let mounts = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        if mounts.lines().any(|mount| is_root_of(mount, root)) {
            let _ = process.kill();
        }
    }
}

/// Whether a line of mountinfo (proc_pid_mountinfo(5)) shows the folder as the root.
fn is_root_of(mount: &str, folder: &str) -> bool {
    let mut fields = mount.split(' ').skip(3);
    // The file system may begin above the folder's path.
    fields.next().is_some_and(|root| root.len() > 1 && folder.ends_with(root)) && fields.next() == Some("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whose_root_is_the_folder_is_meant() {
        let line =
            |root: &str, at: &str| format!("36 35 98:0 {root} {at} rw,noatime master:1 - ext4 /dev/root rw");
        let folder = "/data/nix/store/a.drv.chroot";
        assert!(is_root_of(&line(folder, "/"), folder));
        assert!(is_root_of(&line("/nix/store/a.drv.chroot", "/"), folder));
        assert!(!is_root_of(&line(folder, "/mnt"), folder));
        assert!(!is_root_of(&line("/", "/"), folder));
        assert!(!is_root_of(&line("/data/nix/store/b.drv.chroot", "/"), folder));
        assert!(!is_root_of("", folder));
    }
}
