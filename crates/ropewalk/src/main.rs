//! The binary: commands and wiring, no branch about builds.

mod data;
mod exit;
mod run;
mod supervise;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A self-hosted build farm in one binary.
#[derive(Parser)]
#[command(name = "ropewalk", version, disable_help_subcommand = true)]
struct Arguments {
    /// Folder of everything that is kept: database, logs, images, spools.
    #[arg(long, global = true, value_name = "DIR", env = "ROPEWALK_DATA")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// One file each.
#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    #[command(hide = true)]
    Supervise(supervise::Arguments),
    #[command(hide = true)]
    Clean(supervise::Arguments),
}

// No async runtime here: a supervisor must have one thread. Commands that need one start it.
fn main() -> ExitCode {
    if let Some(exit) = ropewalk_runner::inside::run_if_asked() {
        return exit;
    }
    let Arguments { data, command } = Arguments::parse();
    exit::report(match command {
        Command::Run(arguments) => data::folder(data.as_ref()).and_then(|data| run::run(&arguments, &data)),
        Command::Supervise(arguments) => supervise::supervise(&arguments),
        Command::Clean(arguments) => supervise::clean(&arguments),
    })
}
