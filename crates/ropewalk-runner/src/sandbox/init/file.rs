//! Files of the image that init reads and changes. The image's author is an attacker: a file may be a link to a device,
//! a FIFO, or endless.

use super::super::{Doing, SandboxError};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, open, openat2, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};

/// Longest file of an image that init reads.
const LONGEST: u64 = 1 << 20;

/// The contents of a regular file, by its absolute path; `None` where there is nothing of that name.
pub(super) fn read(path: &str) -> Result<Option<Vec<u8>>, SandboxError> {
    let Some(found) = find(path)? else { return Ok(None) };
    let file = reopen(&found, OFlags::RDONLY, path)?;
    let mut bytes = vec![];
    file.take(LONGEST + 1).read_to_end(&mut bytes).doing(format_args!("read {path}"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(SandboxError::Refused(format!("{path} of the image is longer than {LONGEST} bytes")));
    }
    Ok(Some(bytes))
}

/// Writes a regular file, which keeps its owner and permissions; a new one has 0644.
pub(super) fn write(path: &str, bytes: &[u8]) -> Result<(), SandboxError> {
    let mut file = match find(path)? {
        Some(found) => reopen(&found, OFlags::WRONLY | OFlags::TRUNC, path)?,
        None => create(path)?,
    };
    file.write_all(bytes).doing(format_args!("write {path}"))
}

/// No link leads to another mount, where devices and the kernel's own files are.
fn resolve(path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let root = open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    openat2(&root, path, flags | OFlags::CLOEXEC, mode, how)
}

fn find(path: &str) -> Result<Option<OwnedFd>, SandboxError> {
    let refused = |why: &str| SandboxError::Refused(format!("{path} of the image {why}"));
    // O_PATH first: opening a FIFO blocks and opening a device may do anything.
    let found = match resolve(path, OFlags::PATH, Mode::empty()) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::XDEV | Errno::LOOP) => return Err(refused("leads out of it")),
        Err(error) => return Err(error).doing(format_args!("open {path}")),
    };
    let meta = statat(&found, "", AtFlags::EMPTY_PATH).doing(format_args!("look at {path}"))?;
    if FileType::from_raw_mode(meta.st_mode) != FileType::RegularFile {
        return Err(refused("is not a regular file"));
    }
    Ok(Some(found))
}

fn reopen(found: &OwnedFd, flags: OFlags, path: &str) -> Result<File, SandboxError> {
    let again = format!("/proc/self/fd/{}", found.as_raw_fd());
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(again, flags, Mode::empty()).map(File::from).doing(format_args!("open {path}"))
}

/// A link to nowhere is replaced.
fn create(path: &str) -> Result<File, SandboxError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let mode = Mode::from_raw_mode(0o644);
    let made = match resolve(path, flags, mode) {
        Err(Errno::EXIST) => {
            std::fs::remove_file(path).doing(format_args!("replace {path}"))?;
            resolve(path, flags, mode)
        }
        made => made,
    };
    made.map(File::from).doing(format_args!("create {path}"))
}
