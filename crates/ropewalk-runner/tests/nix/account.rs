//! Scenarios as one account after another.

use ropewalk_testkit::account::{self, Account};
use std::process::Stdio;

/// The accounts that this machine lets us run as, and a line about each other one.
pub(crate) fn available() -> (Vec<Account>, Vec<String>) {
    match ropewalk_runner::nix::programs() {
        Ok(_) => account::available("evaluations", "nix"),
        Err(_) => (vec![], vec!["NOT RUN here: evaluations by Nix: it is not installed".into()]),
    }
}

/// Runs a scenario as this account in a folder of its own, which goes with it; its output is the error.
pub(crate) fn run(account: &Account, scenario: &str) -> Result<(), String> {
    let folder = tempfile::Builder::new().prefix("ropewalk-nix-").tempdir_in("/var/tmp").unwrap();
    let home = folder.path();
    let program = home.join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    account.own(home);
    let mut command = account.command(&program);
    command.args(["--scenario", scenario]).arg(home).current_dir(home).stdin(Stdio::null());
    let output = command.output().map_err(|e| e.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{}\n{text}", output.status)) }
}
