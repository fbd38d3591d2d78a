//! The id range: a block of 65,536 host ids that belong to no account. Nothing in a sandbox ever
//! runs as, or owns a file as, an id outside it: neither host root nor the agent's own account is
//! mapped.

use super::subid::{account_name, first_block};
use super::{Doing, SandboxError};
use rustix::process::{Gid, Uid, getgid, getuid};
use rustix::thread::{
    UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Ids in the range; inside a sandbox they are `0..COUNT`.
pub const COUNT: u32 = 65_536;
/// The caller's own account in the outer user namespace, just past the range.
pub const OWN: u32 = COUNT;
/// First id for an agent that runs as root and has no line in `/etc/subuid`: outside of what
/// distributions, systemd and shadow hand out.
const ROOT_BASE: u32 = 1_900_000_000;

/// A range of host ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First user id on the host.
    pub uid: u32,
    /// First group id on the host.
    pub gid: u32,
}

/// The range of the calling account: from `/etc/subuid` and `/etc/subgid`; for root without a
/// line there a fixed block.
///
/// # Errors
/// [`SandboxError::NoRange`] when an ordinary account has no block of [`COUNT`] ids.
pub fn find() -> Result<Range, SandboxError> {
    match (subordinate("/etc/subuid"), subordinate("/etc/subgid")) {
        (Ok(uid), Ok(gid)) => Ok(Range { uid, gid }),
        _ if getuid().is_root() => Ok(Range { uid: ROOT_BASE, gid: ROOT_BASE }),
        (Err(e), _) | (_, Err(e)) => Err(e),
    }
}

fn subordinate(file: &'static str) -> Result<u32, SandboxError> {
    let uid = getuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = account_name(&passwd, uid).unwrap_or_default();
    let text = std::fs::read_to_string(file).unwrap_or_default();
    first_block(&text, name, uid, COUNT).ok_or_else(|| {
        let account = if name.is_empty() { uid.to_string() } else { name.to_owned() };
        SandboxError::NoRange { file, account, count: COUNT }
    })
}

/// Moves this single-threaded process into the *outer* user namespace: `0..COUNT` is the range and
/// the caller's own id sits at [`OWN`], so the process still owns its spool, but has capabilities
/// over the range only (an agent that was host root has none over the host any more). From here on
/// neither privileges nor setuid helpers are needed: sandboxes, clean-up and artifacts all work
/// directly.
///
/// # Errors
/// When the account has no range, user namespaces are forbidden, or the maps are refused.
pub fn enter() -> Result<Range, SandboxError> {
    enter_with(write_map)
}

/// Moves this single-threaded process of an ordinary account into a user namespace whose root is the account itself: its
/// files stay its own, and `1..COUNT` are the first ids of the range. For a program that has accounts of its own for
/// what it runs.
///
/// # Errors
/// As [`enter`].
pub(crate) fn enter_as_owner() -> Result<Range, SandboxError> {
    enter_with(|kind, pid, own, base| run_map(kind, [pid, 0, own, 1, 1, base, COUNT - 1]))
}

/// Moves this single-threaded process of an ordinary account into a user namespace in which nobody else is: it keeps its
/// account and files, and may make other namespaces. Needs no range.
///
/// # Errors
/// When user namespaces are forbidden, or the maps are refused.
pub(crate) fn enter_alone() -> Result<(), SandboxError> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    // SAFETY: no other thread exists, and no flag here unshares memory or descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }
        .doing("make a user namespace (are unprivileged user namespaces allowed on this host?)")?;
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ] {
        std::fs::write(format!("/proc/self/{file}"), text).doing(format_args!("write {file}"))?;
    }
    Ok(())
}

fn enter_with(write_map: impl Fn(&str, u32, u32, u32) -> bool) -> Result<Range, SandboxError> {
    let range = find()?;
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let (mut wait, mut go) = std::io::pipe().doing("make a pipe")?;
    let me = std::process::id();
    // The writer of the maps stays outside and acts once we are in.
    // SAFETY: this process has one thread, so the child may run ordinary code.
    let writer = match unsafe { libc::fork() } {
        -1 => return Err(std::io::Error::last_os_error()).doing("fork the writer of the id maps"),
        0 => {
            drop(go);
            let written = wait.read(&mut [0]).is_ok_and(|n| n == 1)
                && write_map("uid", me, uid, range.uid)
                && write_map("gid", me, gid, range.gid);
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(!written)) }
        }
        pid => pid,
    };
    drop(wait);
    // SAFETY: no other thread exists, and no flag here unshares memory or descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }
        .doing("make a user namespace (are unprivileged user namespaces allowed on this host?)")?;
    go.write_all(b"!").doing("tell the writer of the id maps")?;
    let mut status = 0;
    // SAFETY: waits for our own child; `status` outlives the call.
    let waited = unsafe { libc::waitpid(writer, &raw mut status, 0) };
    if waited != writer || status != 0 {
        return Err(SandboxError::Maps { uid: range.uid, gid: range.gid });
    }
    Ok(range)
}

/// Makes this process, which has entered its range, the range's root: what it unpacks belongs to the
/// range, and its own account cannot come back.
///
/// # Errors
/// When the process has not entered a range.
pub fn become_root() -> Result<(), SandboxError> {
    set_thread_groups(&[]).doing("drop groups")?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).doing("become the range's root group")?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).doing("become the range's root")
}

fn write_map(kind: &str, pid: u32, own: u32, base: u32) -> bool {
    if getuid().is_root() {
        let map = format!("0 {base} {COUNT}\n{OWN} {own} 1\n");
        return std::fs::write(format!("/proc/{pid}/{kind}_map"), map).is_ok();
    }
    run_map(kind, [pid, 0, base, COUNT, OWN, own, 1])
}

/// Has the system's program write a map.
fn run_map(kind: &str, args: [u32; 7]) -> bool {
    let args = args.map(|n| n.to_string());
    let mut command = Command::new(format!("new{kind}map"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|s| s.success())
}
