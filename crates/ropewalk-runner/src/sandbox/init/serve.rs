//! PID 1 proper: start what is asked for, reap whatever ends, die with the supervisor.

use super::super::message::{receive, send};
use super::super::{Answer, Doing, Order, SandboxError, Spec};
use super::{accounts, collect, step};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Serves orders until the supervisor is gone.
pub(super) fn serve(spec: &Spec, socket: BorrowedFd<'_>) {
    let surroundings = step::Surroundings::new(spec);
    let Ok(children) = child_signals() else { return };
    let mut running = None;
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(socket, PollFlags::IN), PollFd::new(&children, PollFlags::IN)];
        let _ = poll(&mut fds, None);
        let [asked, ended] = fds.map(|fd| !fd.revents().is_empty());
        if ended {
            reap(socket, &children, &mut running);
        }
        if asked {
            let Ok(Some((order, fds))) = receive::<Order>(socket) else { return };
            let sent = match carry_out(order, fds, &surroundings, &mut running) {
                Ok(None) => Ok(()),
                Ok(Some(fds)) => {
                    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                    send(socket, &Answer::Done, &fds)
                }
                Err(e) => send(socket, &Answer::Failed(e.to_string()), &[]),
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// The descriptors that go back with [`Answer::Done`]; `None` when the answer comes later.
fn carry_out(
    order: Order,
    fds: Vec<OwnedFd>,
    surroundings: &step::Surroundings,
    running: &mut Option<i32>,
) -> Result<Option<Vec<OwnedFd>>, SandboxError> {
    match order {
        Order::Run { name, env, root } => {
            if running.is_some() {
                return Err(SandboxError::Refused("a step is running".into()));
            }
            *running = Some(step::start(&name, env, root, fds, surroundings)?);
            Ok(None)
        }
        Order::Hostname(name) => accounts::name_host(&name).map(|()| Some(vec![])),
        Order::Collect(path) => collect::collect(&path).map(|fd| Some(vec![fd])),
    }
}

fn reap(socket: BorrowedFd<'_>, children: &OwnedFd, running: &mut Option<i32>) {
    // Only to make the descriptor unreadable; which children ended is asked below.
    let _ = rustix::io::read(children, &mut [0u8; 128]);
    loop {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return;
        }
        if *running == Some(pid) {
            *running = None;
            let _ = send(socket, &Answer::Exit(status), &[]);
        }
    }
}

/// A descriptor that becomes readable when a child ends.
fn child_signals() -> Result<OwnedFd, SandboxError> {
    // SAFETY: the set outlives the calls; the descriptor is new and ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(std::io::Error::last_os_error()).doing("watch for children"),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}
