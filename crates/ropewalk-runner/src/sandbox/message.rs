//! Messages between the supervisor and the sandbox's init: one JSON value per packet, with at most
//! [`MAX_FDS`] descriptors.

use super::{Doing, SandboxError};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::path::PathBuf;

/// Longest message in bytes.
const MAX_BYTES: usize = 128 * 1024;
/// Most descriptors with one message.
const MAX_FDS: usize = 3;

/// What the supervisor asks of the sandbox's init.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Start a step; [`Answer::Exit`] comes when it ends. Descriptors: output, script and,
    /// optionally, standard input. A script without `#!` is run by `/bin/sh -e`.
    Run {
        /// File name of the script in `/run/step`: `[A-Za-z0-9_.-]`, not starting with a dot.
        name: String,
        /// Added to the base environment, replacing what is there.
        env: Vec<(String, String)>,
        /// As root of the sandbox instead of the build account.
        root: bool,
    },
    /// Set the host name (of a sandbox that was opened ahead of time).
    Hostname(String),
    /// Open a regular file below the home folder; the descriptor comes back with [`Answer::Done`].
    /// No link is followed and no mount crossed.
    Collect(PathBuf),
}

/// What the sandbox's init says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The sandbox is up.
    Ready,
    /// An order was carried out.
    Done,
    /// Wait status of the step, as waitpid(2) gives it.
    Exit(i32),
    /// An order could not be carried out.
    Failed(String),
}

pub(super) fn send(
    sock: BorrowedFd<'_>,
    message: &impl Serialize,
    fds: &[BorrowedFd<'_>],
) -> Result<(), SandboxError> {
    let bytes = serde_json::to_vec(message).map_err(|e| SandboxError::Message(e.to_string()))?;
    if bytes.len() > MAX_BYTES || fds.len() > MAX_FDS {
        let size = format!("{} bytes and {} descriptors are too many", bytes.len(), fds.len());
        return Err(SandboxError::Message(size));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(sock, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
        .doing("send to the sandbox's init")?;
    Ok(())
}

/// The next message and its descriptors; `None` at end of file.
pub(super) fn receive<T: for<'a> Deserialize<'a>>(
    sock: BorrowedFd<'_>,
) -> Result<Option<(T, Vec<OwnedFd>)>, SandboxError> {
    let mut bytes = vec![0; MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut bytes)];
    let got = recvmsg(sock, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)
        .doing("receive from the sandbox's socket")?;
    let mut fds = vec![];
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(list) = message {
            fds.extend(list);
        }
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(SandboxError::Message("too long".into()));
    }
    let bytes = bytes.get(..got.bytes).unwrap_or_default();
    if bytes.is_empty() {
        return Ok(None);
    }
    let message = serde_json::from_slice(bytes).map_err(|e| SandboxError::Message(e.to_string()))?;
    Ok(Some((message, fds)))
}
