//! Whom tests run as: root where we are root, and an ordinary account always.

#![allow(
    clippy::expect_used,
    reason = "for tests: without these accounts and folders there is nothing to show"
)]

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The ordinary account; made where it is not there.
const NAME: &str = "ropewalk-test";

/// An account with a folder of its own.
#[derive(Clone, Debug)]
pub struct Account {
    /// User and group to switch to; `None` is the account that the tests run as.
    switch: Option<(u32, u32)>,
    title: &'static str,
    home: PathBuf,
}

/// The accounts that this machine lets us run as, and a line about each other one. `what` is what they run, in the
/// plural; `short` is a word of it for the names of their folders.
pub fn available(what: &str, short: &str) -> (Vec<Account>, Vec<String>) {
    let own = rustix::process::getuid();
    let account = |switch, title: &'static str| {
        let home = format!("/var/tmp/ropewalk-{short}-{}-{title}", own.as_raw());
        Account { switch, title, home: home.into() }
    };
    if !own.is_root() {
        let not_run = format!("NOT RUN here: {what} as root: the tests run as an ordinary account");
        return (vec![account(None, "user")], vec![not_run]);
    }
    let root = account(None, "root");
    match ordinary() {
        Ok(ids) => (vec![root, account(Some(ids), "user")], vec![]),
        Err(why) => (vec![root], vec![format!("NOT RUN here: {what} as an ordinary account: {why}")]),
    }
}

/// Makes the test account if it is not there; user and group id.
fn ordinary() -> Result<(u32, u32), String> {
    if find(NAME).is_none() {
        let made = Command::new("useradd").args(["--system", "--add-subids-for-system", NAME]).output();
        let made = made.map_err(|e| format!("useradd: {e}"))?;
        // Another process may have been faster.
        if !made.status.success() && find(NAME).is_none() {
            return Err(made.stderr.trim_ascii().escape_ascii().to_string());
        }
    }
    find(NAME).ok_or_else(|| format!("no account {NAME}"))
}

fn find(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2);
    Some((ids.next()?.parse().ok()?, ids.next()?.parse().ok()?))
}

impl Account {
    /// `root` or `user`.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Its folder, which is there after [`Account::make_home`].
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// User and group to switch to, unless it is the account that the tests run as.
    pub fn ids(&self) -> Option<(u32, u32)> {
        self.switch
    }

    /// Another account, which need not be known to the system.
    pub fn other(uid: u32, home: &Path) -> Account {
        Account { switch: Some((uid, uid)), title: "other", home: home.to_owned() }
    }

    /// A command that runs as this account.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.switch {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or folder to this account.
    pub fn own(&self, path: &Path) {
        if let Some((uid, gid)) = self.switch {
            std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("root gives files away");
        }
    }

    /// Makes its folder, 0700.
    pub fn make_home(&self) {
        std::fs::create_dir_all(&self.home).expect("a folder below /var/tmp");
        self.own(&self.home);
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&self.home, mode).expect("a folder of ours");
    }
}

/// Copies a file to where an account can read it, unless it is there already; where the copy is.
pub fn copy(source: &Path, folder: &Path) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = folder.join(source.file_name().expect("a file has a name"));
    if !same(source, &copy) {
        let new = folder.join(format!("new-{}", std::process::id()));
        std::fs::copy(source, &new).expect("a file that can be read, room for it");
        std::fs::rename(&new, &copy).expect("a folder that can be written to");
    }
    copy
}

fn same(source: &Path, copy: &Path) -> bool {
    let stamp = |path: &Path| {
        let meta = path.metadata().ok()?;
        Some((meta.len(), meta.modified().ok()?))
    };
    match (stamp(source), stamp(copy)) {
        (Some((size, made)), Some((copied, at))) => size == copied && at >= made,
        _ => false,
    }
}
