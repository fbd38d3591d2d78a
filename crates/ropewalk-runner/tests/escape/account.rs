//! Whom tests run as: root where we are root, and an ordinary account always.

use crate::canary::{self, Canary};
use crate::farm::Farm;
use crate::scenario::Scenario;
use crate::{hoards, image};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

const NAME: &str = "ropewalk-test";

/// An account with a folder of its own.
#[derive(Clone)]
pub(crate) struct Account {
    /// To switch to; `None` is the account that the tests run as.
    switch: Option<(u32, u32)>,
    title: &'static str,
    home: PathBuf,
}

/// The accounts that this machine lets us run as; the others are reported, if wanted.
pub(crate) fn available(report: bool) -> Vec<Account> {
    let not_run = |what: &str| {
        if report {
            println!("NOT RUN here: {what}");
        }
    };
    let uid = rustix::process::getuid();
    let home = |who: &str| PathBuf::from(format!("/var/tmp/ropewalk-test-{}-{who}", uid.as_raw()));
    if !uid.is_root() {
        not_run("sandbox tests as root: the tests run as an ordinary account");
        return vec![Account { switch: None, title: "user", home: home("user") }];
    }
    let root = Account { switch: None, title: "root", home: home("root") };
    match ordinary() {
        Ok(ids) => {
            vec![root, Account { switch: Some(ids), title: "user", home: home("user") }]
        }
        Err(why) => {
            not_run(&format!("sandbox tests as an ordinary account: {why}"));
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

    /// The account's own folder, 0700, with a copy of this program that it can execute.
    pub(crate) fn prepare(&self) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap();
        std::fs::create_dir_all(&self.home).unwrap();
        if let Some((uid, gid)) = self.switch {
            std::os::unix::fs::chown(&self.home, Some(uid), Some(gid)).unwrap();
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&self.home, mode).unwrap();
        let source = std::env::current_exe().unwrap();
        let copy = self.home.join(source.file_name().unwrap());
        if !same(&source, &copy) {
            let new = self.home.join(format!("new-{}", std::process::id()));
            std::fs::copy(&source, &new).unwrap();
            std::fs::rename(&new, &copy).unwrap();
        }
        copy
    }

    /// Runs a scenario as this account; its output is the error.
    pub(crate) fn run(&self, scenario: &Scenario) -> Result<(), String> {
        let farm = match scenario.in_farm().then(|| self.farm()) {
            Some(None) => return Ok(()),
            Some(Some(farm)) => Some(farm?),
            None => None,
        };
        let canary = match scenario.needs.contains(&"canary").then(Canary::plant) {
            Some(None) => return Ok(()),
            Some(canary) => canary,
            None => None,
        };
        let mut command = match scenario.needs.contains(&"disk") {
            false => self.command(farm.as_ref()),
            true => match self.with_small_disk() {
                Some(command) => command,
                None => return Ok(()),
            },
        };
        command.args(["--scenario", scenario.name]).arg(&self.home).current_dir(&self.home);
        for &name in scenario.needs {
            match name {
                "farm" | "disk" => {}
                "canary" => {
                    command.env(canary::FOLDER, canary.as_ref().map_or("".as_ref(), Canary::folder));
                }
                "mirror" if mirror_answers() => {}
                "mirror" => {
                    println!("NOT RUN here: {}: no package mirror answers", scenario.name);
                    return Ok(());
                }
                "registry" if has("docker-registry") && has("skopeo") => {}
                "registry" => {
                    println!("NOT RUN here: {}: docker-registry or skopeo is missing", scenario.name);
                    return Ok(());
                }
                "attempts" | "hoard" => {
                    command.env(image::variable(name), image::program(&self.home, name)?);
                }
                image => {
                    command.env(image::variable(image), image::tar(image)?);
                }
            }
        }
        command.stdin(Stdio::null());
        let output = command.output().map_err(|e| e.to_string())?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines().filter(|line| line.starts_with("NOT RUN here") || line.starts_with("::")) {
            println!("{line}");
        }
        if output.status.success() { Ok(()) } else { Err(format!("{}\n{text}", output.status)) }
    }

    /// A farm, where we may make one.
    fn farm(&self) -> Option<Result<Farm, String>> {
        if rustix::process::getuid().is_root() {
            return Some(Farm::new(self));
        }
        println!("NOT RUN here: the network in two namespaces: the tests run as an ordinary account");
        None
    }

    /// This program as this account, with a disk of 800 MiB that goes with it.
    fn with_small_disk(&self) -> Option<Command> {
        if !rustix::process::getuid().is_root() {
            println!("NOT RUN here: a full disk: the tests run as an ordinary account");
            return None;
        }
        let (uid, gid) = self.switch.unwrap_or((0, 0));
        let disk = self.home.join("disk");
        let program = self.prepare();
        std::fs::create_dir_all(&disk).unwrap();
        let mount = format!(
            "mount -t tmpfs -o size=800m,mode=755,uid={uid},gid={gid} disk {0} && exec setpriv --reuid={uid} --regid={gid} --clear-groups -- \"$@\"",
            disk.display()
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &mount, "sh"]).arg(program).env(hoards::DISK_FOLDER, disk);
        Some(command)
    }

    /// This program as this account.
    fn command(&self, farm: Option<&Farm>) -> Command {
        let program = self.prepare();
        let Some(farm) = farm else {
            let mut command = Command::new(program);
            if let Some((uid, gid)) = self.switch {
                command.uid(uid).gid(gid);
            }
            return command;
        };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", farm.agent));
        if let Some((uid, gid)) = self.switch {
            command.arg(format!("--setuid={uid}")).arg(format!("--setgid={gid}"));
        }
        command.arg(program).env("http_proxy", "http://u:p@127.0.0.1:3142");
        command
    }
}

/// Whether there is a program.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Whether packages can be fetched from this machine's own mirror at all.
fn mirror_answers() -> bool {
    let Ok(asked) = Command::new("apt-get").args(["--print-uris", "download", "base-files"]).output() else {
        return false;
    };
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    let Some(address) = text.split('\'').nth(1) else { return false };
    let ask = ["-sfI", "-m", "10", address];
    Command::new("curl").args(ask).stdout(Stdio::null()).status().is_ok_and(|s| s.success())
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
