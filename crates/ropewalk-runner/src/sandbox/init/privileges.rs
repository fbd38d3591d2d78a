//! Who init and steps are, and what they may.

use super::super::weaken::{Guard, is_off};
use super::super::{Doing, Limits, SandboxError, range, seccomp};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit, setsid,
};
use std::io;

/// The bounding set of steps: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP
/// NET_BIND_SERVICE SYS_CHROOT SETFCAP.
pub(super) const CAPABILITIES: [u32; 11] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31];
/// Open files of a process inside, and to how many it may raise that: what a login session has under systemd. Programs
/// that use `select` break beyond the first number, and some close as many descriptors as there may be.
const OPEN_FILES: u64 = 1024;
const OPEN_FILES_MOST: u64 = 524_288;
/// Numbers past the kernel's last capability are refused; none needs more than 64.
const LAST_CAPABILITY: u32 = 63;
/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Makes this process root of the range, tied to the supervisor. The caller's account is not mapped
/// here.
pub(super) fn become_init() -> Result<(), SandboxError> {
    range::become_root()?;
    tie()?;
    setsid().doing("start a session")?;
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    Ok(())
}

/// Lets this process die with the supervisor, and root inside not look into it. To be done after every
/// change of id, file system ids included: it undoes both.
pub(super) fn tie() -> Result<(), SandboxError> {
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie init to the supervisor")?;
    let dumpable =
        if is_off(Guard::Dumpable) { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
    set_dumpable_behavior(dumpable).doing("make init not dumpable")
}

/// Limits that every process inside inherits and none can raise.
pub(super) fn limit(limits: &Limits) {
    // For each id by itself, root inside included, besides the one for all ids together.
    set_limit(libc::RLIMIT_NPROC, limits.processes);
    // One file cannot pass the disk limit between two looks of the watch.
    set_limit(libc::RLIMIT_FSIZE, limits.disk);
    set_limit(libc::RLIMIT_CORE, 0);
    limit_open_files();
}

fn set_limit(resource: libc::__rlimit_resource_t, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the structure outlives the call.
    unsafe { libc::setrlimit(resource, &raw const limit) };
}

/// The same on every machine, whatever the agent was started with, as far as the agent's own limit allows.
fn limit_open_files() {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(OPEN_FILES_MOST).min(OPEN_FILES_MOST);
    let limit = Rlimit { current: Some(OPEN_FILES.min(most)), maximum: Some(most) };
    // Lowering needs no right.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Turns a child of init into a step: between fork and exec, system calls only.
pub(super) fn become_step(id: u32, filter: &[libc::sock_filter]) -> io::Result<()> {
    // SAFETY: plain system calls; every pointer outlives its call.
    unsafe {
        check(libc::setsid().into())?;
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        // All descriptors but 0-2 close on exec, whoever opened them.
        let cloexec = libc::CLOSE_RANGE_CLOEXEC;
        check(libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, cloexec))?;
        if !is_off(Guard::Seccomp) {
            seccomp::install(filter)?;
        }
        let dropped = |c: &u32| !CAPABILITIES.contains(c) && !is_off(Guard::Capabilities);
        for capability in (0..=LAST_CAPABILITY).filter(dropped) {
            if libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) < 0 {
                break; // past the last capability
            }
        }
        check(libc::setgroups(0, std::ptr::null()).into())?;
        check(libc::syscall(libc::SYS_setresgid, id, id, id))?;
        check(libc::syscall(libc::SYS_setresuid, id, id, id))?;
        if id == 0 && !is_off(Guard::Capabilities) { keep_capabilities() } else { Ok(()) }
    }
}

/// A step as root has the bounding set and no more.
fn keep_capabilities() -> io::Result<()> {
    let [low, high] = CAPABILITIES.iter().fold([0u32; 2], |[low, high], c| match c {
        0..32 => [low | 1 << c, high],
        _ => [low, high | 1 << (c - 32)],
    });
    let header = [CAPABILITY_VERSION, 0];
    // Effective, permitted, inheritable: first the low words, then the high.
    let data = [low, low, 0, high, high, 0];
    // SAFETY: both arrays have the kernel's layout and outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const data) })
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
