//! The first process of a cell: makes the root, starts the program, ends with it.

use super::{Order, Spec, root};
use crate::sandbox::{Doing, OOM_SCORE_ADJ, SandboxError, seccomp};
use rustix::process::{
    DumpableBehavior, Signal, getegid, geteuid, set_dumpable_behavior, set_parent_process_death_signal,
};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

/// The right to read whatever an account owns.
const DAC_READ_SEARCH: u32 = 2;
/// Numbers past the kernel's last capability are refused; none needs more than 64.
const LAST_CAPABILITY: u32 = 63;
/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// Whom the supervisor runs as.
#[derive(Clone, Copy)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Account {
    pub(super) fn own() -> Account {
        Account { user: geteuid().as_raw(), group: getegid().as_raw() }
    }

    pub(super) fn is_root(self) -> bool {
        self.user == 0
    }
}

/// Runs as the first process; never returns. `mapped` is the account of its user namespace, if it has one.
pub(super) fn run(
    spec: &Spec,
    order: Order,
    mapped: Option<Account>,
    mut wait: PipeReader,
    mut told: PipeWriter,
) -> ! {
    // The kernel should end evaluations before anything else of the machine.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ);
    let tied = tie().is_ok() && told.write_all(b"t").is_ok();
    // End of file instead of the byte: the supervisor is gone.
    let code = if tied && wait.read(&mut [0]).is_ok_and(|count| count == 1) {
        drop(wait);
        match set_up(spec, mapped).and_then(|()| start(spec, order)) {
            Ok(mut child) => {
                drop(told);
                child.wait().map_or(1, |status| status.code().unwrap_or(128 + status.signal().unwrap_or(0)))
            }
            Err(error) => {
                let _ = told.write_all(error.to_string().as_bytes());
                1
            }
        }
    } else {
        1
    };
    // SAFETY: ends the process; exit handlers belong to the supervisor.
    unsafe { libc::_exit(code) }
}

/// Lets this process die with the supervisor, and nobody of the same account look into it.
fn tie() -> Result<(), SandboxError> {
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the cell to the supervisor")
}

fn set_up(spec: &Spec, mapped: Option<Account>) -> Result<(), SandboxError> {
    if let Some(Account { user, group }) = mapped {
        let maps = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("{user} {user} 1")),
            ("gid_map", format!("{group} {group} 1")),
        ];
        for (file, text) in maps {
            std::fs::write(format!("/proc/self/{file}"), text).doing(format_args!("write {file}"))?;
        }
        // The change of ids has untied it.
        tie()?;
    }
    root::change(spec, Account::own())?;
    // Only now: it makes files of ours in /proc belong to root.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("make the cell's init not dumpable")
}

/// Starts the program; every end of its pipes that is not its own is closed.
fn start(spec: &Spec, order: Order) -> Result<Child, SandboxError> {
    let mut command = Command::new(&order.program);
    command.args(&order.arguments).env_clear().envs(order.environment);
    // No other is in sight, and it goes with the cell.
    command.env("HOME", "/tmp").current_dir(&order.folder);
    command.stdin(order.input.map_or(Stdio::null(), Stdio::from));
    command.stdout(Stdio::from(order.output)).stderr(Stdio::from(order.errors));
    let (memory, file, reads_all) = (spec.memory, spec.file, spec.reads_all);
    let filter = if spec.forks { vec![] } else { seccomp::childless() };
    // SAFETY: system calls only, between fork and exec of a process with one thread.
    unsafe {
        command.pre_exec(move || {
            give_up_rights(memory, file, reads_all)?;
            if filter.is_empty() { Ok(()) } else { seccomp::install(&filter) }
        });
    }
    let program = order.program.display();
    command.spawn().doing(format_args!("start {program}"))
}

/// Limits, and no right but those of the account.
fn give_up_rights(memory: u64, file: u64, reads_all: bool) -> std::io::Result<()> {
    let kept = |capability: u32| reads_all && capability == DAC_READ_SEARCH;
    // SAFETY: plain system calls; every pointer outlives its call.
    unsafe {
        for (resource, value) in
            [(libc::RLIMIT_AS, memory), (libc::RLIMIT_FSIZE, file), (libc::RLIMIT_CORE, 0)]
        {
            let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
            check(libc::setrlimit(resource, &raw const limit).into())?;
        }
        check(libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC))?;
        for capability in (0..=LAST_CAPABILITY).filter(|capability| !kept(*capability)) {
            if libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability)) < 0 {
                break; // past the last capability
            }
        }
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        let low = if reads_all { 1u32 << DAC_READ_SEARCH } else { 0 };
        let header = [CAPABILITY_VERSION, 0];
        // Effective, permitted, inheritable: first the low words, then the high.
        let data = [low, low, 0, 0, 0, 0];
        check(libc::syscall(libc::SYS_capset, &raw const header, &raw const data))
    }
}

fn check(result: libc::c_long) -> std::io::Result<()> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
