//! Files out of the sandbox.

use super::super::weaken::{Guard, is_off};
use super::super::{Doing, HOME, SandboxError};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, open, openat2, statat};
use std::path::Path;

/// Opens a regular file below the home folder for reading. No link is followed, no mount crossed.
pub(super) fn collect(path: &Path) -> Result<OwnedFd, SandboxError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if is_off(Guard::Collect) {
        return open(
            Path::new(HOME).join(path),
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .doing("open");
    }
    let home = open(HOME, flags, Mode::empty()).doing(format_args!("open {HOME}"))?;
    let how = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    // O_PATH first: opening a FIFO blocks and opening a device may do anything.
    let probe = openat2(&home, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how)
        .doing(format_args!("open {} below {HOME}", path.display()))?;
    let mode = statat(&probe, "", AtFlags::EMPTY_PATH).doing("look at the file")?.st_mode;
    if mode & libc::S_IFMT != libc::S_IFREG {
        return Err(SandboxError::Refused(format!("{} is not a regular file", path.display())));
    }
    let again = format!("/proc/self/fd/{}", probe.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(again, flags, Mode::empty()).doing(format_args!("read {}", path.display()))
}
