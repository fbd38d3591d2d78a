//! Where a build runs. Life cycle: open, run scripts one after another, hand out files, close.

mod sandbox;

pub(crate) use sandbox::{fetch, open};

use crate::sandbox::SandboxError;
use ropewalk_model::status::Cause;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::fs::File;

/// A script to be run.
pub(crate) struct Run<'a> {
    /// `[A-Za-z0-9_.-]`, not starting with a dot.
    pub(crate) name: &'a str,
    /// Its text; without `#!` it is run by `/bin/sh -e`.
    pub(crate) script: &'a [u8],
    /// Its standard input.
    pub(crate) input: Option<OwnedFd>,
    /// As root of the place instead of the build account.
    pub(crate) root: bool,
}

/// An open place. It can be polled: readable when [`Place::exit`] has something to say.
pub(crate) trait Place: AsFd {
    /// Starts a script in the home folder; both its outputs go to `output`. One at a time, but what
    /// an earlier one left in the background lives on.
    fn start(&self, run: Run<'_>, output: BorrowedFd<'_>) -> Result<(), BackendError>;

    /// How the script ended: its exit code, or 128 + signal.
    fn exit(&self) -> Result<i32, BackendError>;

    /// Opens a plain file for reading, by its path below the home folder. No link is followed.
    fn file(&self, path: &str) -> Result<File, BackendError>;

    /// Whether packages can be installed into its image.
    fn takes_packages(&self) -> bool;

    /// The first process, in our own pid namespace.
    fn pid(&self) -> i32;

    /// Which limit was passed, where the kernel does not enforce it. Called a few times a second.
    fn passed_limit(&self) -> Option<Passed>;

    /// What the place has lost of itself, so that results can no longer be trusted. Called as often, and after each
    /// script.
    fn broken(&self) -> Option<String>;

    /// Ends everything inside; nothing of it lives when this returns.
    fn close(&mut self);
}

/// A limit that a build has passed.
pub(crate) struct Passed {
    pub(crate) cause: Cause,
    pub(crate) message: String,
}

/// Something about the place failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// The image is not on this machine.
    #[error("{0}")]
    ImageMissing(String),
    /// The image is there but cannot be used.
    #[error("{0}")]
    ImageFailed(String),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A system call.
    #[error("cannot {0}: {1}")]
    System(&'static str, std::io::Error),
}

impl BackendError {
    pub(crate) fn cause(&self) -> Cause {
        match self {
            BackendError::ImageMissing(_) => Cause::ImageMissing,
            BackendError::ImageFailed(_) => Cause::ImageFailed,
            BackendError::Sandbox(_) | BackendError::System(..) => Cause::Infrastructure,
        }
    }
}

/// Facts that were found while the place was opened, by dotted name.
pub(crate) type Facts = Vec<(String, String)>;

/// Bytes as a file that was never on a disk.
pub(crate) fn in_memory(bytes: &[u8]) -> Result<OwnedFd, BackendError> {
    use std::io::{Seek, Write};
    let fd = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)
        .map_err(|e| BackendError::System("make a file in memory", e.into()))?;
    let mut file = File::from(fd);
    file.write_all(bytes)
        .and_then(|()| file.rewind())
        .map_err(|e| BackendError::System("fill a file in memory", e))?;
    Ok(file.into())
}
