//! PID 1 of a sandbox: a fork of the supervisor that sets up the mounts, keeps its capabilities
//! and starts steps on request. It is not dumpable and was never exec'ed inside, so root inside
//! cannot touch it. It dies with the supervisor: parent-death signal, end of file on the socket,
//! end of file on the set-up pipe before that.

mod accounts;
mod collect;
mod devices;
mod file;
mod ipc;
mod masks;
mod privileges;
mod root;
mod serve;
mod step;
mod sudo;
mod title;

use super::message::send;
use super::weaken::{Guard, is_off};
use super::{Answer, Network, SandboxError, Spec, network};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io::{PipeReader, Read};

/// Runs as PID 1; never returns.
pub(super) fn run(spec: &Spec, socket: BorrowedFd<'_>, mut wait: PipeReader) -> ! {
    if !is_off(Guard::Masks) {
        title::hide_start();
    }
    // End of file instead of the byte: the supervisor is gone.
    if wait.read(&mut [0]).is_ok_and(|n| n == 1) {
        drop(wait);
        let ready = set_up(spec);
        let sent = match &ready {
            Ok(fds) => {
                let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
                send(socket, &Answer::Ready, &fds)
            }
            Err(e) => send(socket, &Answer::Failed(e.to_string()), &[]),
        };
        let served = ready.is_ok() && sent.is_ok();
        drop(ready);
        if served {
            serve::serve(spec, socket);
        }
    }
    // SAFETY: ends the process; exit handlers belong to the supervisor.
    unsafe { libc::_exit(1) }
}

/// What the supervisor gets: the socket at the other end of the network, if there is one, and what
/// holds memory besides processes.
fn set_up(spec: &Spec) -> Result<Vec<OwnedFd>, SandboxError> {
    let host = root::FromHost::open(spec)?;
    privileges::become_init()?;
    let network = match &spec.network {
        Network::Nat(outside) => Some(network::connect(outside)?),
        Network::None | Network::Host => None,
    };
    let pieces = root::change_root(host)?;
    let temporary = pieces.attach(spec)?;
    let segments = ipc::bound(&spec.limits);
    privileges::limit(&spec.limits);
    masks::mask()?;
    accounts::set_up(spec)?;
    if let Network::Nat(outside) = &spec.network {
        network::write_resolv_conf(outside)?;
    }
    Ok(network.into_iter().chain(temporary).chain(segments).collect())
}
