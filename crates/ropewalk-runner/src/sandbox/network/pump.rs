//! The helper process that carries frames between a sandbox's packet socket and the router.

use super::super::{Doing, SandboxError, range};
use super::servant::Gone;
use super::{MAX_FRAME, Servant};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::process::{Pid, Signal, set_parent_process_death_signal};

/// Most frames that one side gives before the other has its turn.
const BURST: usize = 64;

/// The running helper. Dropping it ends it.
#[derive(Debug)]
pub(in super::super) struct Pump(Servant);

impl Pump {
    /// Forks the helper; it holds nothing but the two sockets.
    pub(in super::super) fn start(sandbox: OwnedFd, router: OwnedFd) -> Result<Pump, SandboxError> {
        let supervisor = std::process::id();
        // SAFETY: this process has one thread, so the child may run ordinary code.
        match unsafe { libc::fork() } {
            0 => {
                if confine(&sandbox, &router).is_ok() && std::os::unix::process::parent_id() == supervisor {
                    carry(&sandbox, &router);
                }
                // SAFETY: ends the child without running the parent's exit handlers.
                unsafe { libc::_exit(1) }
            }
            pid => Pid::from_raw(pid.max(0))
                .map(|child| Pump(Servant::new(child)))
                .ok_or_else(std::io::Error::last_os_error)
                .doing("fork the network helper"),
        }
    }

    /// How the helper ended, if it has.
    pub(super) fn gone(&self) -> Option<Gone> {
        self.0.gone()
    }
}

/// Leaves the helper without descriptors, files or rights.
fn confine(sandbox: &OwnedFd, router: &OwnedFd) -> Result<(), SandboxError> {
    let mut keep = [sandbox.as_raw_fd(), router.as_raw_fd()].map(i64::from);
    keep.sort_unstable();
    let [low, high] = keep;
    for (first, last) in [(0, low - 1), (low + 1, high - 1), (high + 1, i64::from(u32::MAX))] {
        if first <= last {
            // SAFETY: nobody in this process uses the descriptors any more.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
    range::become_root()?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the helper to the supervisor")?;
    rustix::process::chdir("/").doing("leave the spool")?;
    let none = rustix::thread::CapabilitySets {
        effective: rustix::thread::CapabilitySet::empty(),
        permitted: rustix::thread::CapabilitySet::empty(),
        inheritable: rustix::thread::CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).doing("drop capabilities")?;
    rustix::thread::set_no_new_privs(true).doing("forbid new privileges")
}

/// Carries frames until either side is gone.
fn carry(sandbox: &OwnedFd, router: &OwnedFd) {
    let mut out = Lane::new(sandbox, router);
    let mut back = Lane::new(router, sandbox);
    loop {
        // A lane reads when it holds no frame and waits for room when it does.
        let wants = |reads: &Lane<'_>, writes: &Lane<'_>| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, !reads.waiting());
            flags.set(PollFlags::OUT, writes.waiting());
            flags
        };
        let mut fds = [
            PollFd::from_borrowed_fd(sandbox.as_fd(), wants(&out, &back)),
            PollFd::from_borrowed_fd(router.as_fd(), wants(&back, &out)),
        ];
        if poll(&mut fds, None).is_err_and(|e| e != Errno::INTR) {
            return;
        }
        let gone = PollFlags::HUP | PollFlags::NVAL;
        if fds.iter().any(|fd| fd.revents().intersects(gone)) {
            return;
        }
        if out.run().is_err() || back.run().is_err() {
            return;
        }
    }
}

/// One direction, with at most one frame that could not be given yet.
struct Lane<'a> {
    from: &'a OwnedFd,
    to: &'a OwnedFd,
    frame: Box<[u8; MAX_FRAME]>,
    length: usize,
}

impl<'a> Lane<'a> {
    fn new(from: &'a OwnedFd, to: &'a OwnedFd) -> Lane<'a> {
        Lane { from, to, frame: Box::new([0; MAX_FRAME]), length: 0 }
    }

    fn waiting(&self) -> bool {
        self.length > 0
    }

    /// Carries what is there, up to a burst.
    fn run(&mut self) -> Result<(), Errno> {
        for _ in 0..BURST {
            if self.length == 0 {
                match recv(self.from, &mut self.frame[..], RecvFlags::DONTWAIT) {
                    // The router's end of file; a packet socket has none.
                    Ok((_, 0)) => return Err(Errno::PIPE),
                    Ok((_, length)) => self.length = length,
                    Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                    // The interface went down and up.
                    Err(Errno::NETDOWN) => return Ok(()),
                    Err(e) => return Err(e),
                }
            }
            let frame = self.frame.get(..self.length).unwrap_or_default();
            match send(self.to, frame, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(e @ (Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) => return Err(e),
                // Carried, or refused (too long, no buffers): networks lose frames.
                _ => self.length = 0,
            }
        }
        Ok(())
    }
}
