//! The sandbox under attack and at work. Tests have threads and a sandbox needs a process without,
//! so each test starts this very file again as a *scenario*: as root, and as an ordinary account.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod account;
mod attempts;
mod bench;
mod canary;
mod cords;
mod fake;
mod farm;
mod hoards;
mod hostile;
mod image;
mod limits;
mod net;
mod pull;
mod registries;
mod scenario;
mod work;
mod world;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() {
    if let Some(code) = ropewalk_runner::inside::run_if_asked() {
        std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
    }
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|a| a == "--scenario") {
        return scenario::run(&args[2], args[3].as_ref());
    }
    if args.get(1).is_some_and(|a| a == "--serve") {
        farm::serve(&args[2], &args[3]);
    }
    if args.get(1).is_some_and(|a| a == "--import") {
        return hostile::import(args[2].as_ref());
    }
    if args.get(1).is_some_and(|a| a == "--pull") {
        pull::pull(args[2].as_ref(), &args[3]);
        return;
    }
    let arguments = Arguments::from_args();
    let (accounts, not_run) = account::available();
    // A list is read by programs.
    if !arguments.list {
        not_run.iter().for_each(|line| println!("{line}"));
    }
    let mut trials = vec![];
    for account in accounts {
        for scenario in scenario::ALL {
            let account = account.clone();
            let title = format!("{}::{}", account.title(), scenario.name);
            let trial = Trial::test(title, move || account::run(&account, scenario).map_err(Into::into));
            trials.push(trial.with_ignored_flag(scenario.on_demand()));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
