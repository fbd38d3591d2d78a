//! Manifests in the real sandbox: as root, and as an ordinary account.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "tests read what programs print")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "test output")]

mod account;
mod adoption;
mod bench;
mod command;
mod families;
mod farm;
#[cfg(feature = "faults")]
mod faults;
mod images;
mod leftovers;
mod nix;
mod nix_network;
mod outcomes;
mod removal;
mod secrets;
mod semantics;
mod sources;
mod survival;

use libtest_mimic::{Arguments, Trial};
use std::path::Path;
use std::process::ExitCode;

fn main() {
    if let Some(code) = ropewalk_runner::inside::run_if_asked() {
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
    let args: Vec<String> = std::env::args().collect();
    if let [_, mode, data, tar, name] = args.as_slice()
        && mode == "--import"
    {
        return account::import(Path::new(data), Path::new(tar), name);
    }
    if let [_, mode, folder, data, program] = args.as_slice()
        && mode == "--agent"
    {
        return farm::agent(Path::new(folder), Path::new(data), Path::new(program));
    }
    if let [_, mode, folder, program, rest @ ..] = args.as_slice()
        && mode == "--nix"
    {
        return nix::run(Path::new(folder), program, rest);
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![];
    let (accounts, not_run) = account::available();
    // A list is read by programs.
    if !arguments.list {
        not_run.iter().for_each(|sentence| println!("{sentence}"));
    }
    for account in accounts {
        let tests =
            semantics::TESTS.iter().chain(sources::TESTS).chain(command::TESTS).chain(outcomes::TESTS);
        let tests =
            tests.chain(secrets::TESTS).chain(adoption::TESTS).chain(survival::TESTS).chain(removal::TESTS);
        let tests =
            tests.chain(images::TESTS).chain(families::TESTS).chain(nix::TESTS).chain(nix_network::TESTS);
        let of_root = if account.title() == "root" { nix::OF_ROOT } else { &[] };
        let tests = tests.chain(of_root);
        #[cfg(feature = "faults")]
        let tests = tests.chain(faults::TESTS);
        for (name, test) in tests {
            let account = account.clone();
            let title = format!("{}::{name}", account.title());
            trials.push(Trial::test(title, move || {
                test(&account::bench(&account));
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
