//! The user-mode router: a program of the host that speaks to the world for a sandbox.

use super::super::{Doing, SandboxError, range};
use super::{Inside, MTU, Outside};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "slirp4netns";
/// How often it is asked whether it listens: it takes about 2 ms to start and has no other way to say so.
const POLL: Duration = Duration::from_micros(300);
/// How long it may take to come up.
const START_LIMIT: Duration = Duration::from_secs(5);

/// A running router and the socket on which it takes and gives frames. Dropping it ends it.
#[derive(Debug)]
pub(in super::super) struct Router {
    child: Child,
    frames: Option<OwnedFd>,
}

impl Router {
    /// Starts the router; its socket is made in `folder` and removed again.
    pub(in super::super) fn start(folder: &Path, outside: &Outside) -> Result<Router, SandboxError> {
        let path = folder.join("router");
        let _ = std::fs::remove_file(&path);
        // A short name for it: socket addresses hold 107 bytes.
        let open = std::fs::File::open(folder).doing(format_args!("open {}", folder.display()))?;
        rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).doing("pass a folder on")?;
        let short = format!("/proc/self/fd/{}/router", rustix::fd::AsRawFd::as_raw_fd(&open));
        let mut router = Router { child: spawn(&short, outside)?, frames: None };
        let frames = router.connect(&short);
        let _ = std::fs::remove_file(&path);
        router.frames = Some(frames?);
        Ok(router)
    }

    /// The socket for frames; there is one.
    pub(in super::super) fn take_frames(&mut self) -> Option<OwnedFd> {
        self.frames.take()
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
            if let Some(status) = self.child.try_wait().doing(format_args!("watch {PROGRAM}"))? {
                let why = "run it by hand to see why (version 1.2 or later is needed)";
                return Err(SandboxError::NoNetwork(format!("{PROGRAM} ended with {status}: {why}")));
            }
            if began.elapsed() > START_LIMIT {
                let why = format!("{PROGRAM} does not listen after {} s", START_LIMIT.as_secs());
                return Err(SandboxError::NoNetwork(why));
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(path: &str, outside: &Outside) -> Result<Child, SandboxError> {
    let mut command = Command::new(PROGRAM);
    command.args(["--target-type=bess", "--enable-sandbox", "--enable-seccomp"]);
    command.args([format!("--mtu={MTU}"), format!("--cidr={}", Inside::beside(outside).network)]);
    // The filter opens single ports of the loopback only; without any it stays closed here too.
    if outside.loopback_ports().next().is_none() {
        command.arg("--disable-host-loopback");
    }
    command.arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: system calls only.
    unsafe {
        command.pre_exec(|| {
            // Not as our own account: a router that is taken over owns nothing.
            range::become_root().map_err(io::Error::other)?;
            // After the change of id, which clears it.
            Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
        });
    }
    command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => SandboxError::NoNetwork(format!(
            "{PROGRAM} is not installed: install it, or set sandbox.network to none or host"
        )),
        _ => SandboxError::NoNetwork(format!("{PROGRAM}: {e}")),
    })
}
