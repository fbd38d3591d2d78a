//! Scenarios as one account after another.

use crate::canary::{self, Canary};
use crate::farm::Farm;
use crate::scenario::Scenario;
use crate::{hoards, image};
use ropewalk_testkit::account::{self, Account};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The accounts that this machine lets us run as, and a line about each other one.
pub(crate) fn available() -> (Vec<Account>, Vec<String>) {
    account::available("sandbox tests", "test")
}

/// The account's own folder, with a copy of this program that it can execute.
pub(crate) fn prepare(account: &Account) -> PathBuf {
    account.make_home();
    account::copy(&std::env::current_exe().unwrap(), account.home())
}

/// Runs a scenario as this account; its output is the error.
pub(crate) fn run(account: &Account, scenario: &Scenario) -> Result<(), String> {
    let farm = match scenario.in_farm().then(|| farm(account)) {
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
        false => command(account, farm.as_ref()),
        true => match with_small_disk(account) {
            Some(command) => command,
            None => return Ok(()),
        },
    };
    command.args(["--scenario", scenario.name]).arg(account.home()).current_dir(account.home());
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
                command.env(image::variable(name), image::program(account.home(), name)?);
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
fn farm(account: &Account) -> Option<Result<Farm, String>> {
    if rustix::process::getuid().is_root() {
        return Some(Farm::new(account));
    }
    println!("NOT RUN here: the network in two namespaces: the tests run as an ordinary account");
    None
}

/// This program as this account, with a disk of 800 MiB that goes with it.
fn with_small_disk(account: &Account) -> Option<Command> {
    if !rustix::process::getuid().is_root() {
        println!("NOT RUN here: a full disk: the tests run as an ordinary account");
        return None;
    }
    let (uid, gid) = account.ids().unwrap_or((0, 0));
    let disk = account.home().join("disk");
    let program = prepare(account);
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
fn command(account: &Account, farm: Option<&Farm>) -> Command {
    let program = prepare(account);
    let Some(farm) = farm else { return account.command(program) };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{}", farm.agent));
    if let Some((uid, gid)) = account.ids() {
        command.arg(format!("--setuid={uid}")).arg(format!("--setgid={gid}"));
    }
    command.arg(program).env("http_proxy", "http://u:p@127.0.0.1:3142");
    command
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
