//! Hidden commands by which the agent starts this program again: `supervise` and `clean`.

use crate::exit::Exit;
use std::path::PathBuf;

/// What both take.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Spool of the attempt.
    spool: PathBuf,
}

/// Carries out one attempt. Run-time values come over standard input.
pub(crate) fn supervise(arguments: &Arguments) -> anyhow::Result<Exit> {
    ropewalk_runner::supervisor::supervise(&arguments.spool)?;
    Ok(Exit::Success)
}

/// Removes what a build left in a spool, from inside the id range.
pub(crate) fn clean(arguments: &Arguments) -> anyhow::Result<Exit> {
    ropewalk_runner::spool::clean(&arguments.spool)?;
    Ok(Exit::Success)
}
