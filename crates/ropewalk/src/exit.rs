//! Exit codes, and how an error is shown.

use std::io::{ErrorKind, Write};
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
    /// Nobody reads its output any more: what a shell says of programs that end of that.
    Unread = 141,
}

/// An error that has an exit code of its own; all others are [`Exit::Failed`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What was tried, on what, and what to do.
    pub(crate) message: String,
    /// The same may succeed a little later.
    pub(crate) passes: bool,
}

impl Failure {
    /// Something that the user wrote is not understood.
    pub(crate) fn usage(message: impl std::fmt::Display) -> anyhow::Error {
        Failure { exit: Exit::Usage, message: message.to_string(), passes: false }.into()
    }

    /// There is no answer from the server.
    pub(crate) fn unreachable(message: impl std::fmt::Display) -> anyhow::Error {
        Failure { exit: Exit::Unreachable, message: message.to_string(), passes: true }.into()
    }
}

/// The process's exit code; an error goes to standard error. That nobody reads the output is said to nobody.
pub(crate) fn report(result: anyhow::Result<Exit>) -> ExitCode {
    let exit = result.unwrap_or_else(|error| {
        if is_unread(&error) {
            return Exit::Unread;
        }
        let _ = writeln!(std::io::stderr(), "ropewalk: {error:#}");
        error.downcast_ref::<Failure>().map_or(Exit::Failed, |failure| failure.exit)
    });
    ExitCode::from(exit as u8)
}

/// Standard output is the only pipe whose errors come up as they are.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
