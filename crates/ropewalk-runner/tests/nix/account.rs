//! Whom tests run as: root where we are root, and an ordinary account always.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const NAME: &str = "ropewalk-test";

/// An account.
#[derive(Clone)]
pub(crate) struct Account {
    /// To switch to; `None` is the account that the tests run as.
    switch: Option<(u32, u32)>,
    title: &'static str,
}

/// The accounts that this machine lets us run as; the others are reported, if wanted.
pub(crate) fn available(report: bool) -> Vec<Account> {
    let not_run = |what: String| {
        if report {
            println!("NOT RUN here: {what}");
        }
    };
    if ropewalk_runner::nix::programs().is_err() {
        not_run("evaluations by Nix: it is not installed".into());
        return vec![];
    }
    if !rustix::process::getuid().is_root() {
        not_run("evaluations as root: the tests run as an ordinary account".into());
        return vec![Account { switch: None, title: "user" }];
    }
    let root = Account { switch: None, title: "root" };
    match ordinary() {
        Ok(ids) => vec![root, Account { switch: Some(ids), title: "user" }],
        Err(why) => {
            not_run(format!("evaluations as an ordinary account: {why}"));
            vec![root]
        }
    }
}

/// Makes the test account if it is not there; user and group id.
fn ordinary() -> Result<(u32, u32), String> {
    if find(NAME).is_none() {
        let made = Command::new("useradd").args(["--system", "--add-subids-for-system", NAME]).output();
        let made = made.map_err(|e| format!("useradd: {e}"))?;
        // Another process may have been faster.
        if !made.status.success() && find(NAME).is_none() {
            return Err(String::from_utf8_lossy(&made.stderr).trim().to_owned());
        }
    }
    find(NAME).ok_or_else(|| format!("no account {NAME}"))
}

fn find(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
    let fields: Vec<&str> = line.split(':').collect();
    Some((fields[2].parse().ok()?, fields[3].parse().ok()?))
}

impl Account {
    pub(crate) fn title(&self) -> &'static str {
        self.title
    }

    /// Runs a scenario as this account in a folder of its own, which goes with it; its output is the error.
    pub(crate) fn run(&self, scenario: &str) -> Result<(), String> {
        let folder = tempfile::Builder::new().prefix("ropewalk-nix-").tempdir_in("/var/tmp").unwrap();
        let home: PathBuf = folder.path().into();
        let program = home.join("program");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = Command::new(&program);
        if let Some((uid, gid)) = self.switch {
            std::os::unix::fs::chown(&home, Some(uid), Some(gid)).unwrap();
            command.uid(uid).gid(gid);
        }
        command.args(["--scenario", scenario]).arg(&home).current_dir(&home).stdin(Stdio::null());
        let output = command.output().map_err(|e| e.to_string())?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("{}\n{text}", output.status)) }
    }
}
