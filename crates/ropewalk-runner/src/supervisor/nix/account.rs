//! The account that a build has in Nix's sandbox.
//!
//! Nix runs builders as its own account unless it has a group of build accounts; and whoever owns the store may change
//! what other builds made in it. So each build gets an account of the id range, and Nix is shown a group of which it is
//! the only member. An ordinary account is root of a namespace for that.

use super::unable;
use crate::nix::Tools;
use crate::sandbox::range;
use crate::spool::Spool;
use crate::supervisor::stop::Stop;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Uid, getuid};
use rustix::thread::set_thread_res_uid;
use std::fs::{DirBuilder, File, symlink_metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the group and, with a number, of the account.
pub(super) const GROUP: &str = "ropewalk-build";
/// Accounts that are tried, and how many of them one data folder has for itself, more or less.
const COUNT: u32 = 256;
/// The first of them within the range: images rarely have such ids.
const FIRST: u32 = 20_000;
/// Data folders that do not get into each other's way.
const FOLDERS: u64 = 128;
/// Bits of a folder's mode with which others could write into it.
const WRITABLE: u32 = 0o022;
/// How long killed processes of an account may take to be gone.
const ENDING: Duration = Duration::from_secs(10);

/// An account that no other build of this machine has.
pub(super) struct BuildAccount {
    /// Files that are shown in the place of the machine's own.
    files: [(PathBuf, &'static str); 2],
    /// Its lock says that the account is taken, for as long as Nix lives.
    taken: File,
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
        // For whoever finds that supervisor and Nix were killed before they ended the build.
        spool.note_account(id)?;
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

    /// What is to be shown to Nix, and in the place of what.
    pub(super) fn shown(&self) -> Vec<(PathBuf, PathBuf)> {
        self.files.iter().map(|(path, original)| (path.clone(), original.into())).collect()
    }

    /// What Nix has to hold open for as long as it lives.
    pub(super) fn taken(&self) -> &File {
        &self.taken
    }
}

/// A number below the range's size that no build has, and what keeps others from it. Several farms of one account may
/// share a range: Nix ends all processes of a build's account.
fn free(range: range::Range, data: &Path) -> Result<(u32, File), Stop> {
    let folder = folder(data)?;
    let mut hash = DefaultHasher::new();
    data.hash(&mut hash);
    let first = FIRST + u32::try_from(hash.finish() % FOLDERS).unwrap_or(0) * COUNT;
    for id in first..first + COUNT {
        let taken = claim(&folder, range, id).map_err(|error| {
            unable(format_args!("cannot take an account for the build in {}: {error}", folder.display()))
        })?;
        if let Some(taken) = taken {
            return Ok((id, taken));
        }
    }
    Err(unable("all accounts for builds are in use"))
}

/// Takes an account; none if a build has it.
fn claim(folder: &Path, range: range::Range, id: u32) -> std::io::Result<Option<File>> {
    let file = File::create(folder.join((range.uid + id).to_string()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Where the locks are. Neither builds nor other accounts can reach in; farms of one account share it where the machine
/// has a place for that.
fn folder(data: &Path) -> Result<PathBuf, Stop> {
    let uid = getuid().as_raw();
    let shared = match uid {
        0 => vec!["/run/ropewalk".into()],
        _ => vec![format!("/run/user/{uid}/ropewalk"), format!("/tmp/ropewalk-{uid}")],
    };
    let mut folders = shared.into_iter().map(PathBuf::from).chain([data.join("nix-accounts")]);
    folders.find(|folder| is_ours(folder, uid)).ok_or_else(|| {
        unable(format_args!("there is no folder for the locks of accounts, not even {}", data.display()))
    })
}

/// Whether nobody else can write into this folder, which is made if need be.
fn is_ours(folder: &Path, uid: u32) -> bool {
    let _ = DirBuilder::new().mode(0o700).create(folder);
    symlink_metadata(folder)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == uid && meta.mode() & WRITABLE == 0)
}

/// Ends all processes of a build's account, whose Nix was killed before it could. For a process of its own, which has
/// one thread and does nothing else: it becomes that account. If another build has the account by now, Nix has ended
/// them before it began.
pub(crate) fn end_all(id: u32, data: &Path) -> Result<(), String> {
    let failed = |error: Errno| format!("end what is left of a build: {error}");
    let range = range::find().map_err(|error| error.to_string())?;
    let folder = folder(data).map_err(|stop| stop.message)?;
    let taken = claim(&folder, range, id).map_err(|error| format!("take the account {id}: {error}"))?;
    let Some(_taken) = taken else { return Ok(()) };
    let uid = if getuid().is_root() {
        range.uid + id
    } else {
        range::enter_as_owner().map_err(|error| error.to_string())?;
        id + 1
    };
    let uid = Uid::from_raw(uid);
    set_thread_res_uid(uid, uid, uid).map_err(failed)?;
    let began = Instant::now();
    loop {
        // SAFETY: all processes of this account but the caller, which was changed a moment ago, and nobody else's.
        let killed = unsafe { libc::kill(-1, libc::SIGKILL) };
        // A process that forks may have been missed.
        if killed < 0 {
            return Ok(());
        }
        if began.elapsed() > ENDING {
            return Err(format!("processes of the account {} do not end", range.uid + id));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn an_account_is_one_builds_only_until_its_lock_is_closed() {
        let data = tempfile::tempdir().unwrap();
        let range = range::Range { uid: 4_000_000_000, gid: 4_000_000_000 };
        let taken =
            |count: usize| (0..count).map(|_| free(range, data.path()).ok()).collect::<Option<Vec<_>>>();
        let all = taken(COUNT as usize).unwrap();
        let mut ids: Vec<u32> = all.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        assert_eq!(ids.len(), COUNT as usize);
        // What somebody else binds or locks elsewhere takes none.
        assert!(free(range, data.path()).is_err_and(|stop| stop.message.contains("in use")));
        drop(all);
        assert!(taken(1).is_some());
    }

    #[test]
    fn locks_lie_where_nobody_else_can_write() {
        let folder = tempfile::tempdir().unwrap();
        let uid = getuid().as_raw();
        let [own, open, link] = ["own", "open", "link"].map(|name| folder.path().join(name));
        assert!(is_ours(&own, uid) && is_ours(&own, uid));
        assert!(!is_ours(&own, uid + 1));
        assert!(is_ours(&open, uid));
        std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(!is_ours(&open, uid));
        symlink(&own, &link).unwrap();
        assert!(!is_ours(&link, uid));
    }
}
