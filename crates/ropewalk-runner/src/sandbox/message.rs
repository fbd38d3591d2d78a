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
const MAX_FDS: usize = 8;

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
    /// The sandbox is up. Descriptors: the network by nat, if it was asked for, then what holds memory besides
    /// processes (temporary file systems, the list of System V segments).
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
    // The kernel's padding may leave room for one descriptor more than was asked for.
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > MAX_FDS {
        return Err(SandboxError::Message("too long".into()));
    }
    let bytes = bytes.get(..got.bytes).unwrap_or_default();
    if bytes.is_empty() {
        return Ok(None);
    }
    let message = serde_json::from_slice(bytes).map_err(|e| SandboxError::Message(e.to_string()))?;
    Ok(Some((message, fds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustix::fd::AsFd;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::fs::File;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    /// One packet as it is, with some descriptors.
    fn raw(bytes: &[u8], descriptors: usize) -> Result<Option<(Order, Vec<OwnedFd>)>, SandboxError> {
        let (ours, theirs) = pair();
        let file = File::open("/dev/null").unwrap();
        let fds = vec![file.as_fd(); descriptors];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS + 1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if descriptors > 0 {
            control.push(SendAncillaryMessage::ScmRights(&fds));
        }
        sendmsg(&ours, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
        receive(theirs.as_fd())
    }

    fn open_descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    fn order() -> impl Strategy<Value = Order> {
        let env = proptest::collection::vec((any::<String>(), any::<String>()), 0..4);
        prop_oneof![
            (any::<String>(), env, any::<bool>()).prop_map(|(name, env, root)| Order::Run {
                name,
                env,
                root
            }),
            any::<String>().prop_map(Order::Hostname),
            any::<String>().prop_map(|path| Order::Collect(path.into())),
        ]
    }

    proptest! {
        #[test]
        fn an_order_arrives_as_it_was_sent(order in order(), descriptors in 0..=MAX_FDS) {
            let (ours, theirs) = pair();
            let file = File::open("/dev/null").unwrap();
            send(ours.as_fd(), &order, &vec![file.as_fd(); descriptors]).unwrap();
            let (got, fds) = receive::<Order>(theirs.as_fd()).unwrap().unwrap();
            prop_assert_eq!(got, order);
            prop_assert_eq!(fds.len(), descriptors);
        }

        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 1..300), descriptors in 0usize..3) {
            prop_assume!(serde_json::from_slice::<Order>(&bytes).is_err());
            prop_assert!(raw(&bytes, descriptors).is_err());
        }

        #[test]
        fn a_cut_order_is_an_error(order in order(), keep in 0.0f64..1.0) {
            let whole = serde_json::to_vec(&order).unwrap();
            let length = 1 + (keep * (whole.len() - 2) as f64) as usize;
            prop_assert!(raw(&whole[..length], 0).is_err());
        }

        #[test]
        fn answers_are_no_orders(status: i32, why: String) {
            for answer in [Answer::Ready, Answer::Done, Answer::Exit(status), Answer::Failed(why)] {
                let bytes = serde_json::to_vec(&answer).unwrap();
                prop_assert!(raw(&bytes, 0).is_err());
            }
        }
    }

    #[test]
    fn more_than_fits_is_an_error_on_both_sides() {
        let long = Order::Hostname("x".repeat(MAX_BYTES));
        let (ours, theirs) = pair();
        assert!(matches!(send(ours.as_fd(), &long, &[]), Err(SandboxError::Message(_))));
        assert!(raw(&vec![b' '; MAX_BYTES + 1], 0).is_err());
        // Too many descriptors are cut by the kernel: an order must not run with some missing.
        let bytes = serde_json::to_vec(&Order::Hostname("x".into())).unwrap();
        assert!(raw(&bytes, MAX_FDS + 1).is_err());
        drop(ours);
        assert!(receive::<Order>(theirs.as_fd()).unwrap().is_none());
    }

    #[test]
    fn descriptors_of_a_bad_message_are_closed() {
        let before = open_descriptors();
        for _ in 0..200 {
            assert!(raw(b"{", 2).is_err());
        }
        // Other tests open and close files meanwhile.
        assert!(open_descriptors() < before + 200);
    }
}
