//! A cell: where a program of Nix's or git runs. Namespaces with nothing of the machine in sight but what the
//! [`Spec`] names, under the account that it was started with, so that the store stays writable, and without any
//! right over it. The first process in it is a fork of the supervisor: it holds the lock of the spool for as long as
//! anything of the cell lives, and takes everything along when it ends.

mod init;
mod root;

use crate::sandbox::{Doing, SandboxError};
use crate::supervisor::Stop;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io::{PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a cell may take to be set up.
const SET_UP: Duration = Duration::from_secs(20);
/// Bytes of the reason for which a cell could not be set up.
const MAX_REASON: u64 = 4096;

/// What a cell shows, and what its program may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    /// Paths of the machine that can be read, where they are; one that is not there is left out.
    pub(crate) readable: Vec<PathBuf>,
    /// Others that can be read, which nobody's links lead out of a folder.
    pub(crate) beneath: Vec<Beneath>,
    /// Folders of the machine that can be written, where they are.
    pub(crate) writable: Vec<PathBuf>,
    /// Files that are there besides, by absolute path.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    /// Whether the machine's network is there; else there is none.
    pub(crate) network: bool,
    /// It may start other programs. Evaluators need none.
    pub(crate) forks: bool,
    /// Bytes of address space of one process.
    pub(crate) memory: u64,
    /// Bytes of one file that is written.
    pub(crate) file: u64,
    /// Root's program may read the files of all accounts: for paths that an administrator has named.
    pub(crate) reads_all: bool,
    /// It may open namespaces in here for builds of Nix's. Not for root: what is root's of the kernel's settings can
    /// then be written. Needs [`Spec::forks`].
    pub(crate) builds: bool,
}

/// Something below a folder that others may write. It is looked up anew wherever it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Beneath {
    /// The folder, which is an administrator's to choose.
    pub(crate) folder: PathBuf,
    /// Where it lies in there.
    pub(crate) rest: PathBuf,
    /// Where the cell shows it.
    pub(crate) shown: PathBuf,
}

impl Beneath {
    /// Opens it without leaving the folder, whatever links say.
    pub(crate) fn open(&self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let folder = open(&self.folder, flags | OFlags::DIRECTORY, Mode::empty())?;
        let rest = if self.rest.as_os_str().is_empty() { Path::new(".") } else { &self.rest };
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        openat2(&folder, rest, flags, Mode::empty(), how)
    }
}

/// A program to run.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// All that it gets.
    pub(crate) environment: Vec<(String, String)>,
    /// Its working directory.
    pub(crate) folder: PathBuf,
    /// Its standard input; none means that it is empty.
    pub(crate) input: Option<OwnedFd>,
    pub(crate) output: OwnedFd,
    pub(crate) errors: OwnedFd,
}

/// A running cell. Dropping it kills everything inside.
#[derive(Debug)]
pub(crate) struct Cell {
    pid: Pid,
    pidfd: OwnedFd,
    is_reaped: bool,
}

impl Cell {
    /// Starts a program in a cell, once `known` has taken its first process, which has begun nothing yet. The caller must
    /// have one thread. The descriptors of the order are closed here when this returns.
    pub(crate) fn start(
        spec: &Spec,
        order: Order,
        known: &mut dyn FnMut(i32) -> Result<(), Stop>,
    ) -> Result<Cell, Stop> {
        let (mut status, told) = std::io::pipe().doing("make a pipe")?;
        let (wait, mut go) = std::io::pipe().doing("make a pipe")?;
        let kept = [status.as_fd(), go.as_fd()];
        let pid = clone_init(spec, kept, |own| init::run(spec, order, own, wait, told))?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).doing("open the cell's pidfd")?;
        let cell = Cell { pid, pidfd, is_reaped: false };
        await_word(&status)?;
        // The init ends with us from here on.
        if status.read(&mut [0]).is_ok_and(|count| count == 1) {
            known(cell.pid())?;
            go.write_all(b"!").doing("start the cell's init")?;
        }
        let reason = read_reason(&status)?;
        if reason.is_empty() { Ok(cell) } else { Err(SandboxError::Refused(reason).into()) }
    }

    /// Its first process, in our own pid namespace.
    fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for its end, which is near when its output has ended: exit code of the program, or 128 + signal.
    pub(crate) fn wait(mut self) -> i32 {
        self.reap()
    }

    fn reap(&mut self) -> i32 {
        let mut status = 0;
        // SAFETY: waits for our own child; `status` outlives the call.
        unsafe { libc::waitpid(self.pid(), &raw mut status, 0) };
        self.is_reaped = true;
        if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
    }
}

impl AsFd for Cell {
    /// Readable when the cell has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Cell {
    /// The kernel lets nobody wait for the first process of a pid namespace before all others are gone.
    fn drop(&mut self) {
        if !self.is_reaped {
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
            self.reap();
        }
    }
}

/// Forks the first process into its namespaces; there `run` is called with the caller's account if that is all that is
/// mapped. `not_its` are the ends of pipes that only the caller keeps.
fn clone_init(
    spec: &Spec,
    not_its: [BorrowedFd<'_>; 2],
    run: impl FnOnce(Option<init::Account>),
) -> Result<Pid, SandboxError> {
    let account = init::Account::own();
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    flags |= libc::CLONE_NEWCGROUP | libc::SIGCHLD;
    let mapped = !(spec.reads_all && account.is_root());
    if mapped {
        flags |= libc::CLONE_NEWUSER;
    }
    if !spec.network {
        flags |= libc::CLONE_NEWNET;
    }
    // SAFETY: a fork with namespaces; single-threaded, so the child may run ordinary code.
    match unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) } {
        0 => {
            for fd in not_its {
                use rustix::fd::AsRawFd;
                // SAFETY: the owners live on in the parent only; the child never returns to them.
                unsafe { libc::close(fd.as_raw_fd()) };
            }
            run(mapped.then_some(account));
            // SAFETY: the child has nothing to go back to.
            unsafe { libc::_exit(1) }
        }
        pid => i32::try_from(pid)
            .ok()
            .filter(|pid| *pid > 0)
            .and_then(Pid::from_raw)
            .ok_or_else(std::io::Error::last_os_error)
            .doing("clone a process into new namespaces (are user namespaces allowed on this machine?)"),
    }
}

/// What the init said before it closed the pipe.
fn read_reason(status: &PipeReader) -> Result<String, SandboxError> {
    await_word(status)?;
    let mut text = String::new();
    status.take(MAX_REASON).read_to_string(&mut text).doing("hear from the cell's init")?;
    Ok(text)
}

fn await_word(status: &PipeReader) -> Result<(), SandboxError> {
    let until = Instant::now() + SET_UP;
    loop {
        let wait = until.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
        match poll(&mut [PollFd::new(status, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => {
                return Err(SandboxError::Refused(format!(
                    "a cell was not set up within {} s",
                    SET_UP.as_secs()
                )));
            }
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).doing("wait for the cell's init"),
        }
    }
}
