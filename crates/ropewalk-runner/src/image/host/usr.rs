//! `/usr` with its files as the range's own.

use crate::sandbox::range::{COUNT, Range};
use crate::sandbox::{Doing as _, SandboxError};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io::{self, Read, Write};

/// `MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY` of linux/mount.h.
const IDMAP_READ_ONLY: u64 = 0x0010_0000 | 1;

/// A mount of `/usr`, attached nowhere yet, in which the host's id n appears as the range's id n.
/// For a process that is root on the host and has one thread.
pub(in crate::image) fn idmapped(range: Range) -> Result<OwnedFd, SandboxError> {
    let namespace = namespace(range)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, "/usr", flags).doing("clone the mount of /usr")?;
    // struct mount_attr { set, clear, propagation, userns_fd }
    let attr: [u64; 4] = [IDMAP_READ_ONLY, 0, 0, u64::from(namespace.as_raw_fd().cast_unsigned())];
    // SAFETY: path and structure outlive the call, and the size given is the structure's.
    let result = unsafe {
        let (empty, size) = (c"".as_ptr(), size_of_val(&attr));
        let fd = tree.as_raw_fd();
        libc::syscall(libc::SYS_mount_setattr, fd, empty, libc::AT_EMPTY_PATH, &raw const attr, size)
    };
    if result == 0 {
        return Ok(tree);
    }
    Err(io::Error::last_os_error())
        .doing("mount /usr with the range's ids (the image `host` needs Linux 5.19 and a file system that supports it)")
}

/// A user namespace that says which id becomes which; nobody lives in it.
fn namespace(range: Range) -> Result<OwnedFd, SandboxError> {
    let (mut ready, mut is_ready) = io::pipe().doing("make a pipe")?;
    let (mut stay, stop) = io::pipe().doing("make a pipe")?;
    // SAFETY: this process has one thread, so the child may run ordinary code.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()).doing("fork for a user namespace"),
        0 => {
            drop(stop);
            // SAFETY: a user namespace shares no memory; the process has one thread.
            if unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.is_ok() {
                let _ = is_ready.write_all(b"!");
                let _ = stay.read(&mut [0]);
            }
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(0) }
        }
        child => child,
    };
    drop((is_ready, stay));
    let made = ready.read_exact(&mut [0]).and_then(|()| {
        std::fs::write(format!("/proc/{child}/uid_map"), format!("0 {} {COUNT}\n", range.uid))?;
        std::fs::write(format!("/proc/{child}/gid_map"), format!("0 {} {COUNT}\n", range.gid))?;
        Ok(open(format!("/proc/{child}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    });
    drop(stop);
    // SAFETY: waits for our own child, whose status nobody wants.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    made.doing("make a user namespace for the image `host`")
}
