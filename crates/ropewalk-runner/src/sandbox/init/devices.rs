//! `/dev` of a sandbox.

use super::super::mountfd::{NOSUID, STRICT, attach, clone_tree, new_fs};
use super::super::{Doing, SandboxError};
use super::root::make_folder;
use rustix::fd::OwnedFd;
use rustix::mount::MountAttrFlags;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Device nodes that steps get, bound from the host.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// The host's nodes, as descriptors.
pub(super) struct Devices(Vec<(&'static str, OwnedFd)>);

impl Devices {
    pub(super) fn open() -> Result<Devices, SandboxError> {
        let open = |name| Ok((name, clone_tree(Path::new("/dev").join(name))?));
        Ok(Devices(NODES.into_iter().map(open).collect::<Result<_, SandboxError>>()?))
    }

    /// Fills `/dev`.
    pub(super) fn attach(&self) -> Result<(), SandboxError> {
        // Not nodev: a bound node in a nodev mount does not open.
        attach(&new_fs("tmpfs", &[("size", "1m"), ("mode", "0755")], NOSUID)?, "/dev")?;
        for (name, tree) in &self.0 {
            let path = format!("/dev/{name}");
            std::fs::write(&path, "").doing(format_args!("create {path}"))?;
            attach(tree, path)?;
        }
        for (target, name) in LINKS {
            symlink(target, format!("/dev/{name}")).doing(format_args!("link /dev/{name}"))?;
        }
        for dir in ["/dev/pts", "/dev/shm", "/dev/mqueue"] {
            make_folder(dir)?;
        }
        let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
        let pts = new_fs("devpts", &options, NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
        attach(&pts, "/dev/pts")?;
        // A kernel without message queues is no reason to fail.
        if let Ok(queue) = new_fs("mqueue", &[], STRICT) {
            attach(&queue, "/dev/mqueue")?;
        }
        Ok(())
    }
}
