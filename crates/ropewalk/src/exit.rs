//! Exit codes, and how an error is shown.

use std::io::Write;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// What was asked for was done.
    Success = 0,
    /// The build or the request failed.
    Failed = 1,
    /// The command line, a file or a manifest is not understood.
    Usage = 2,
    /// There is no answer from the server.
    Unreachable = 3,
    /// The server does not accept who asks.
    Refused = 4,
    /// The user ended it.
    Interrupted = 130,
}

/// An error that has an exit code of its own; all others are [`Exit::Failed`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What was tried, on what, and what to do.
    pub(crate) message: String,
}

impl Failure {
    /// Something that the user wrote is not understood.
    pub(crate) fn usage(message: impl std::fmt::Display) -> anyhow::Error {
        Failure { exit: Exit::Usage, message: message.to_string() }.into()
    }

    /// There is no answer from the server.
    pub(crate) fn unreachable(message: impl std::fmt::Display) -> anyhow::Error {
        Failure { exit: Exit::Unreachable, message: message.to_string() }.into()
    }
}

/// The process's exit code; an error goes to standard error.
pub(crate) fn report(result: anyhow::Result<Exit>) -> ExitCode {
    let exit = result.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "ropewalk: {error:#}");
        error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit)
    });
    ExitCode::from(exit as u8)
}
