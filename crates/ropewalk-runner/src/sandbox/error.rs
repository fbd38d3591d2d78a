//! What can go wrong with a sandbox.

use std::fmt::Display;
use std::io;

/// A sandbox could not be opened, asked or cleaned up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried, on what.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The account has no block of subordinate ids.
    #[error(
        "{file} gives the account {account} no range of {count} ids: add the line `{account}:START:{count}` there (usermod --add-subuids/--add-subgids)"
    )]
    NoRange {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// Name or number of the account.
        account: String,
        /// Ids that are needed.
        count: u32,
    },
    /// `newuidmap` or `newgidmap` refused, or is missing.
    #[error(
        "could not write the id maps of the range {uid}/{gid}: install newuidmap and newgidmap (package uidmap) and check /etc/subuid and /etc/subgid"
    )]
    Maps {
        /// First user id of the range.
        uid: u32,
        /// First group id of the range.
        gid: u32,
    },
    /// The sandbox's init answered with an error.
    #[error("sandbox: {0}")]
    Refused(String),
    /// The network asked for cannot be had.
    #[error("no network by nat: {0}")]
    NoNetwork(String),
    /// The sandbox's init is dead.
    #[error("the sandbox is gone: its init ended")]
    Gone,
    /// A message between supervisor and init was cut or malformed.
    #[error("malformed message between supervisor and sandbox: {0}")]
    Message(String),
}

/// Adds what was tried to a failed system call.
pub(crate) trait Doing<T> {
    /// Turns the error into [`SandboxError::System`].
    fn doing(self, what: impl Display) -> Result<T, SandboxError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl Display) -> Result<T, SandboxError> {
        self.map_err(|e| SandboxError::System { what: what.to_string(), source: e.into() })
    }
}
