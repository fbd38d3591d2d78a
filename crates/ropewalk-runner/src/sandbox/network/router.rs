//! The user-mode router: a program of the host that speaks to the world for a sandbox.

use super::super::{Doing, SandboxError, range};
use super::servant::Gone;
use super::{Inside, MTU, Outside, Servant};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid};
use std::io::{self, PipeWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) const PROGRAM: &str = "slirp4netns";
/// How often it is asked whether it listens: it takes about 2 ms to start and has no other way to say so.
const POLL: Duration = Duration::from_micros(300);
/// How long it may take to come up.
const START_LIMIT: Duration = Duration::from_secs(5);

/// A running router and the socket on which it takes and gives frames. Dropping it ends it.
#[derive(Debug)]
pub(in super::super) struct Router {
    child: Servant,
    frames: Option<OwnedFd>,
    /// The router ends when nobody holds this any more. Of our children only init does, which ends
    /// with us.
    _stay: PipeWriter,
}

impl Router {
    /// Starts the router; its socket is made in `folder` and removed again.
    pub(in super::super) fn start(folder: &Path, outside: &Outside) -> Result<Router, SandboxError> {
        let path = folder.join("router");
        let _ = std::fs::remove_file(&path);
        // A short name for it: socket addresses hold 107 bytes.
        let open = std::fs::File::open(folder).doing(format_args!("open {}", folder.display()))?;
        let short = format!("/proc/self/fd/{}/router", open.as_raw_fd());
        let (until, stay) = io::pipe().doing("make a pipe")?;
        let mut command = command(&short, outside, [open.as_raw_fd(), until.as_raw_fd()]);
        let child = Servant::new(start(&mut command, &stay)?);
        let mut router = Router { child, frames: None, _stay: stay };
        let frames = router.connect(&short);
        let _ = std::fs::remove_file(&path);
        router.frames = Some(frames?);
        Ok(router)
    }

    /// The socket for frames; there is one.
    pub(in super::super) fn take_frames(&mut self) -> Option<OwnedFd> {
        self.frames.take()
    }

    /// How it ended, if it has.
    pub(super) fn gone(&self) -> Option<Gone> {
        self.child.gone()
    }

    /// Connects as soon as it listens.
    fn connect(&mut self, path: &str) -> Result<OwnedFd, SandboxError> {
        let address = SocketAddrUnix::new(path).doing("name the router's socket")?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .doing("make the router's socket")?;
        let began = Instant::now();
        loop {
            match rustix::net::connect(&socket, &address) {
                Ok(()) => return Ok(socket),
                Err(Errno::NOENT | Errno::CONNREFUSED) => {}
                Err(e) => return Err(e).doing(format_args!("connect to {PROGRAM}")),
            }
            if self.gone().is_some() {
                let why = "it ended at once; run it by hand to see why (version 1.2 or later is needed)";
                return Err(SandboxError::NoNetwork(format!("{PROGRAM}: {why}")));
            }
            if began.elapsed() > START_LIMIT {
                let why = format!("{PROGRAM} does not listen after {} s", START_LIMIT.as_secs());
                return Err(SandboxError::NoNetwork(why));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// The program with two descriptors: the folder of its socket, and one that says how long to stay.
fn command(path: &str, outside: &Outside, [folder, until]: [RawFd; 2]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--target-type=bess", "--enable-sandbox", "--enable-seccomp"]);
    command.args([format!("--mtu={MTU}"), format!("--cidr={}", Inside::beside(outside).network)]);
    // The filter opens single ports of the loopback only; without any it stays closed here too.
    if outside.loopback_ports().next().is_none() {
        command.arg("--disable-host-loopback");
    }
    command.arg(format!("--exit-fd={until}")).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: system calls only, on descriptors that the parent holds open while it starts us.
    unsafe {
        command.pre_exec(move || {
            for fd in [folder, until] {
                rustix::io::fcntl_setfd(BorrowedFd::borrow_raw(fd), rustix::io::FdFlags::empty())?;
            }
            // Not as our own account: a router that is taken over owns nothing.
            range::become_root().map_err(io::Error::other)?;
            // After the change of id, which clears it. It holds until the router confines itself, when
            // it listens; from then on the descriptor counts.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            let mut ended = [PollFd::from_borrowed_fd(BorrowedFd::borrow_raw(until), PollFlags::empty())];
            match poll(&mut ended, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))? {
                0 => Ok(()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        });
    }
    command
}

/// Starts the program as the first process of a pid namespace: it has children, and nothing of it may
/// outlive it.
fn start(command: &mut Command, stay: &PipeWriter) -> Result<Pid, SandboxError> {
    let (mut failed, mut tell) = io::pipe().doing("make a pipe")?;
    let flags = libc::c_long::from(libc::CLONE_NEWPID | libc::SIGCHLD);
    // SAFETY: a fork; this process has one thread, so the child may run ordinary code.
    let child = match unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } {
        0 => {
            // SAFETY: its owner lives on in the parent only; the child never returns to it.
            unsafe { libc::close(stay.as_raw_fd()) };
            let why = command.exec().raw_os_error().unwrap_or(libc::EIO);
            let _ = tell.write_all(&why.to_ne_bytes());
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(1) }
        }
        pid => i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw),
    };
    let child = child.ok_or_else(io::Error::last_os_error).doing("fork the router")?;
    drop(tell);
    let mut why = [0; 4];
    // End of file when the program runs.
    if failed.read_exact(&mut why).is_err() {
        return Ok(child);
    }
    let _ = waitpid(Some(child), WaitOptions::empty());
    let why = io::Error::from_raw_os_error(i32::from_ne_bytes(why));
    Err(SandboxError::NoNetwork(match why.kind() {
        io::ErrorKind::NotFound => {
            format!("{PROGRAM} is not installed: install it, or set sandbox.network to none or host")
        }
        _ => format!("{PROGRAM}: {why}"),
    }))
}
