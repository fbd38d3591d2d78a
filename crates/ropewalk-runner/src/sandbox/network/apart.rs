//! A network for programs that isolate what they run themselves: the same as a sandbox's, but the process that starts
//! them is in it. The router and whoever carries its frames stay outside, below a keeper that is in the range: they own
//! nothing of the machine, whoever starts the programs.

use super::super::message::{receive, send};
use super::super::{Doing, SandboxError, range};
use super::rtnetlink::up;
use super::servant::Servant;
use super::{Connection, Outside, Pump, Router, link};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// How long the keeper may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks after the router.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// What keeper and starter tell each other. The first word of the starter brings the other end of its network.
#[derive(Serialize, Deserialize)]
enum Word {
    Ready,
    Failed(String),
}

/// The process that keeps the network up. Dropping it ends the network.
#[derive(Debug)]
pub(crate) struct Keeper {
    _child: Servant,
    line: OwnedFd,
}

impl Keeper {
    /// Starts the keeper and its router, whose socket is made in `folder`. The caller must have one thread and be in no
    /// user namespace of its own yet.
    pub(crate) fn start(outside: &Outside, folder: &Path) -> Result<Keeper, SandboxError> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .doing("make the network's socket")?;
        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(PATIENCE))
            .doing("limit the wait for the network")?;
        let starter = getpid();
        // SAFETY: this process has one thread, so the child may run ordinary code.
        let child = match unsafe { libc::fork() } {
            0 => {
                drop(ours);
                if let Err(error) = keep(&theirs, outside, folder, starter) {
                    let _ = send(theirs.as_fd(), &Word::Failed(error.to_string()), &[]);
                }
                // SAFETY: ends the child without running the parent's exit handlers.
                unsafe { libc::_exit(0) }
            }
            pid => Pid::from_raw(pid.max(0)).ok_or_else(std::io::Error::last_os_error),
        };
        let child = Servant::new(child.doing("fork the keeper of the network")?);
        drop(theirs);
        let keeper = Keeper { _child: child, line: ours };
        keeper.heard()?;
        Ok(keeper)
    }

    /// Moves this process, and with it whatever it starts from now on, into the network. It must be root of its user
    /// namespace.
    pub(crate) fn connect(&self, outside: &Outside) -> Result<(), SandboxError> {
        isolate()?;
        let other_end = link::connect(outside)?;
        send(self.line.as_fd(), &Word::Ready, &[other_end.as_fd()])?;
        self.heard()
    }

    /// What happened to the network, if it is gone for ever.
    pub(crate) fn lost(&self) -> Option<String> {
        let mut line = [PollFd::new(&self.line, PollFlags::IN)];
        match poll(&mut line, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(match receive(self.line.as_fd()) {
                Ok(Some((Word::Failed(why), _))) => why,
                _ => "the network of the build is lost: the process that keeps it is gone".into(),
            }),
        }
    }

    fn heard(&self) -> Result<(), SandboxError> {
        match receive(self.line.as_fd())? {
            Some((Word::Ready, _)) => Ok(()),
            Some((Word::Failed(why), _)) => Err(SandboxError::NoNetwork(why)),
            None => Err(SandboxError::NoNetwork("the process that keeps it is gone".into())),
        }
    }
}

/// Moves this process into a network of its own that leads nowhere. It must be root of its user namespace.
pub(crate) fn isolate() -> Result<(), SandboxError> {
    // SAFETY: this process has one thread, and network namespaces share no memory.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.doing("make a network namespace")?;
    up(link::index("lo")?)
}

/// Runs as the keeper until the starter is gone or the network is lost, which the error says.
fn keep(line: &OwnedFd, outside: &Outside, folder: &Path, starter: Pid) -> Result<(), SandboxError> {
    only(line);
    range::enter()?;
    // After the change of rights, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the network to the supervisor")?;
    if getppid() != Some(starter) {
        return Ok(());
    }
    let mut router = Router::start(folder, outside)?;
    send(line.as_fd(), &Word::Ready, &[])?;
    let Some((Word::Ready, fds)) = receive(line.as_fd())? else { return Ok(()) };
    let (Some(inside), Some(frames)) = (fds.into_iter().next(), router.take_frames()) else {
        return Err(SandboxError::Message("a network without another end".into()));
    };
    let connection = Connection::new(Pump::start(inside, frames)?, router);
    send(line.as_fd(), &Word::Ready, &[])?;
    loop {
        match poll(&mut [PollFd::new(line, PollFlags::IN)], Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => {}
            // The starter says nothing more: it is gone.
            _ => return Ok(()),
        }
        if let Some(why) = connection.lost() {
            return Err(SandboxError::NoNetwork(why));
        }
    }
}

/// Closes everything else: the lock of the spool above all, which says that the attempt lives.
fn only(line: &OwnedFd) {
    let line = i64::from(line.as_raw_fd());
    for (first, last) in [(3, line - 1), (line + 1, i64::from(u32::MAX))] {
        if first <= last {
            // SAFETY: nobody in this process uses the descriptors any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}
