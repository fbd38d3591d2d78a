//! `make bench`: what a built `ropewalk` costs, beside what the machine itself takes for the same.

mod arguments;
mod engine;
mod floors;
mod history;
mod http;
mod jobs;
mod machine;
mod measures;
mod own;
mod processor;
mod report;
mod samples;
mod server;
mod stages;

use arguments::Arguments;
use clap::Parser;
use own::Own;
use std::process::ExitCode;

// No async runtime here: the bare sandbox must have one thread.
fn main() -> ExitCode {
    if let Some(exit) = ropewalk_runner::inside::run_if_asked() {
        return exit;
    }
    let result = match Own::try_parse() {
        Ok(own) => own.run(),
        Err(_) => measure(&Arguments::parse()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// One thread: the machine's processors belong to what is measured.
fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measures::all(arguments))
}
