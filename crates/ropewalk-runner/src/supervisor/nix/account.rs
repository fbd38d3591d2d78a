//! The account that a build has in Nix's sandbox.
//!
//! Nix runs builders as its own account unless it has a group of build accounts; and whoever owns the store may change
//! what other builds made in it. So each build gets an account of the id range, and Nix is shown a group of which it is
//! the only member. An ordinary account is root of a namespace for that.

use super::unable;
use crate::nix::Tools;
use crate::sandbox::{mountfd, range};
use crate::spool::Spool;
use crate::supervisor::stop::Stop;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
use rustix::process::getuid;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Name of the group and, with a number, of the account.
pub(super) const GROUP: &str = "ropewalk-build";
/// Accounts that are tried, and how many of them one data folder has for itself, more or less.
const COUNT: u32 = 256;
/// The first of them within the range: images rarely have such ids.
const FIRST: u32 = 20_000;
/// Data folders that do not get into each other's way.
const FOLDERS: u64 = 128;
/// Where programs ask for accounts before they read files.
const CACHE: &str = "/run/nscd";

/// An account that no other build of this machine has.
pub(super) struct BuildAccount {
    /// Files that are shown in the place of the machine's own.
    files: [(PathBuf, &'static str); 2],
    /// Its name in the kernel says that the account is taken, for as long as Nix lives.
    taken: OwnedFd,
}

impl BuildAccount {
    /// Takes one, and moves an ordinary account's supervisor into the namespace where it exists. None where Nix has
    /// accounts of its own, or there is no id range: then builds run as the account itself.
    pub(super) fn take(spool: &Spool, tools: &Tools) -> Result<Option<BuildAccount>, Stop> {
        let Ok(range) = range::find() else { return Ok(None) };
        if !tools.is_own() {
            return Ok(None);
        }
        let (id, taken) = free(range, &spool.head.settings.data)?;
        // As Nix sees them: in a namespace the range begins with 1.
        let seen = |base: u32| if getuid().is_root() { base + id } else { id + 1 };
        let (uid, gid) = (seen(range.uid), seen(range.gid) - id);
        let lines = [
            ("passwd", "/etc/passwd", format!("{GROUP}-{id}:x:{uid}:{gid}::/var/empty:/sbin/nologin\n")),
            ("group", "/etc/group", format!("{GROUP}:x:{gid}:{GROUP}-{id}\n")),
        ];
        for (name, original, line) in &lines {
            let text = std::fs::read_to_string(original).unwrap_or_default();
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let path = spool.path().join(name);
            std::fs::write(&path, format!("{text}{gap}{line}"))
                .map_err(|error| unable(format_args!("cannot write {}: {error}", path.display())))?;
        }
        if !getuid().is_root() {
            range::enter_as_owner().map_err(unable)?;
        }
        let files = lines.map(|(name, original, _)| (spool.path().join(name), original));
        Ok(Some(BuildAccount { files, taken }))
    }

    /// What the program does before it becomes Nix: makes a mount namespace with the account in it.
    pub(super) fn entering(&self) -> impl Fn() -> std::io::Result<()> + Send + Sync + 'static {
        let (files, taken): (_, RawFd) = (self.files.clone(), self.taken.as_raw_fd());
        move || {
            // SAFETY: no other thread exists, and no flag here unshares memory or descriptors.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
            mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            let show = |path: &Path, at: &str| {
                mountfd::clone_tree(path)
                    .and_then(|tree| mountfd::attach(&tree, at))
                    .map_err(std::io::Error::other)
            };
            for (path, original) in &files {
                show(path, original)?;
            }
            if Path::new(CACHE).is_dir() {
                show(Path::new("/sys/fs"), CACHE)?;
            }
            // SAFETY: the supervisor holds it open while it starts us.
            fcntl_setfd(unsafe { BorrowedFd::borrow_raw(taken) }, FdFlags::empty())?;
            Ok(())
        }
    }
}

/// A number below the range's size that no build has, and what keeps others from it. Several farms of one account may
/// share a range: Nix ends all processes of a build's account.
fn free(range: range::Range, data: &Path) -> Result<(u32, OwnedFd), Stop> {
    let failed = |error: Errno| unable(format_args!("cannot take an account for the build: {error}"));
    let mut hash = DefaultHasher::new();
    data.hash(&mut hash);
    let first = FIRST + u32::try_from(hash.finish() % FOLDERS).unwrap_or(0) * COUNT;
    for id in first..first + COUNT {
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
        let socket = socket.map_err(failed)?;
        let name = format!("ropewalk-build-account-{}", range.uid + id);
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(failed)?;
        match bind(&socket, &address) {
            Ok(()) => return Ok((id, socket)),
            Err(Errno::ADDRINUSE) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(unable("all accounts for builds are in use"))
}
