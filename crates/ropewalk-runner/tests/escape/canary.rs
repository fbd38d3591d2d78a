//! Files of the machine below `/usr` that only its root may read, in a build on the image `host`.

use crate::world::{World, step};
use ropewalk_runner::sandbox::Sandbox;
use ropewalk_runner::sandbox::weaken::{Guard, switch_off};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The variable that tells a scenario where they are.
pub(crate) const FOLDER: &str = "ROPEWALK_TEST_CANARY";
const SECRET: &str = "canary-secret";

/// A folder in `/usr/local/etc` that goes with this process, however it ends.
pub(crate) struct Canary {
    folder: PathBuf,
    remover: Child,
}

impl Canary {
    /// `None`, and a word about it, where we are not root.
    pub(crate) fn plant() -> Option<Canary> {
        if !rustix::process::getuid().is_root() {
            println!("NOT RUN here: files that only root may read: the tests run as an ordinary account");
            return None;
        }
        let thread = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
        let name = format!("ropewalk-canary-{}-{thread}", std::process::id());
        let folder = Path::new("/usr/local/etc").join(name);
        // It removes the folder at the end of its input, also when we were killed.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' INT TERM HUP; cat; rm -rf -- \"$1\"", "sh"]).arg(&folder);
        let remover = command.stdin(Stdio::piped()).spawn().unwrap();
        let canary = Canary { folder, remover };
        std::fs::create_dir_all(canary.folder.join("open")).unwrap();
        let write = |name: &str, mode: u32| {
            let path = canary.folder.join(name);
            std::fs::write(&path, SECRET).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        };
        std::fs::DirBuilder::new().mode(0o700).create(canary.folder.join("closed")).unwrap();
        write("open/everybody", 0o644);
        // One for each way, which may change it.
        for at in 0..WAYS.len() {
            write(&format!("open/root{at}"), 0o600);
            write(&format!("open/group{at}"), 0o640);
            write(&format!("closed/everybody{at}"), 0o644);
        }
        Some(canary)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _ = self.remover.wait();
    }
}

/// Ways to a file that root inside may try. Each prints it where it can.
const WAYS: [&str; 7] = [
    "cat FILE",
    "cp FILE copy && cat copy",
    "mv FILE FILE.moved && cat FILE.moved",
    "chmod 644 FILE && cat FILE",
    "chown build FILE && cat FILE",
    "ln FILE FILE.linked && cat FILE.linked",
    "tar c FILE",
];

const FILES: [&str; 3] = ["open/root", "open/group", "closed/everybody"];

/// How many of the ways show each of the files. One sandbox for all: after the first the process can open no other on
/// this image.
fn shown(sandbox: &Sandbox) -> [usize; 3] {
    let folder = std::env::var(FOLDER).unwrap();
    FILES.map(|file| {
        let shows = |(at, way): (usize, &&str)| {
            let way = way.replace("FILE", &format!("{folder}/{file}{at}"));
            let (_, text) = step(sandbox, &format!("rm -f copy; sudo sh -c '{way}' 2>/dev/null"));
            text.contains(SECRET)
        };
        WAYS.iter().enumerate().filter(|way| shows(*way)).count()
    })
}

pub(crate) fn what_only_the_hosts_root_may_read_stays_unread(home: &Path) {
    let world = World::host(home);
    let sandbox = world.open();
    let folder = std::env::var(FOLDER).unwrap();
    // The control: what everybody may see is there, names included.
    let cat = format!("cat {folder}/open/everybody; sudo ls {folder}/open | wc -l");
    assert_eq!(step(&sandbox, &cat), (0, format!("{SECRET}{}\n", 1 + 2 * WAYS.len())));
    let list = format!(
        "sudo ls {folder}/closed 2>/dev/null || true; sudo find {folder}/closed -type f 2>/dev/null || true"
    );
    assert_eq!(step(&sandbox, &list), (0, String::new()));
    assert_eq!(shown(&sandbox), [0; 3]);
}

pub(crate) fn it_is_read_when_its_guard_is_off(home: &Path) {
    let world = World::host(home);
    if !world.image.takes_packages() {
        // Nothing but the kernel holds an ordinary account's agent off; there is no guard of ours.
        println!(
            "NOT RUN here: files of the host's root without their guard: the agent is an ordinary account"
        );
        return;
    }
    switch_off(&[Guard::HostFiles]);
    let shown = shown(&world.open());
    switch_off(&[]);
    assert_eq!(shown, [WAYS.len(); 3]);
}
