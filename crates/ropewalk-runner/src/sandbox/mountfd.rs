//! Mounts as descriptors: made in one place, attached in another, so that no path of a hostile
//! image is ever followed on the way.

use super::{Doing, SandboxError};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::path::Path;

pub(crate) const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
pub(crate) const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
pub(crate) const RDONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
pub(crate) const STRICT: MountAttrFlags = NOSUID.union(NODEV).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// A new mount of the file system `kind`. An option without a value is a flag.
pub(crate) fn new_fs(
    kind: &str,
    options: &[(&str, &str)],
    attr: MountAttrFlags,
) -> Result<OwnedFd, SandboxError> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).doing(format_args!("open {kind}"))?;
    for (key, value) in options {
        match *value {
            "" => fsconfig_set_flag(&fs, *key),
            value => fsconfig_set_string(&fs, *key, value),
        }
        .doing(format_args!("set {kind} {key}={value}"))?;
    }
    fsconfig_create(&fs).doing(format_args!("create {kind}"))?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attr).doing(format_args!("mount {kind}"))
}

/// A copy of the mount tree at `path`.
pub(crate) fn clone_tree(path: impl AsRef<Path>) -> Result<OwnedFd, SandboxError> {
    let path = path.as_ref();
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(CWD, path, flags).doing(format_args!("clone the mount at {}", path.display()))
}

/// Adds attributes to a whole mount tree.
pub(crate) fn set_attr(tree: &OwnedFd, attr: MountAttrFlags) -> Result<(), SandboxError> {
    // struct mount_attr { set, clear, propagation, userns_fd }
    let attr: [u64; 4] = [attr.bits().into(), 0, 0, 0];
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: path and structure outlive the call, and the size given is the structure's.
    let result = unsafe {
        let (empty, size) = (c"".as_ptr(), size_of_val(&attr));
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), empty, flags, &raw const attr, size)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()).doing("set mount attributes") }
}

/// Attaches a mount at a path.
pub(crate) fn attach(tree: &OwnedFd, target: impl AsRef<Path>) -> Result<(), SandboxError> {
    let target = target.as_ref();
    move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .doing(format_args!("mount on {}", target.display()))
}

/// Attaches a mount on the folder that `target` is open on.
pub(crate) fn attach_on(tree: &OwnedFd, target: &OwnedFd) -> Result<(), SandboxError> {
    let both = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", both).doing("attach a mount on an open folder")
}
