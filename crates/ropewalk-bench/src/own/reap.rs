//! A parent for a server and for all that the server leaves behind: the kernel adds up their processor time here.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitOptions};
use std::ffi::OsString;
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the program until it has ended, as whose parent dies with the caller, and it with that.
pub(super) fn reap(arguments: &Arguments) -> Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).args(&arguments.command);
    let child = command.spawn().context("cannot run setpriv: install the package util-linux")?.id();
    let child = Pid::from_raw(child.cast_signed());
    while let Some((ended, _)) = rustix::process::wait(WaitOptions::empty())? {
        if Some(ended) == child {
            break;
        }
    }
    Ok(())
}
