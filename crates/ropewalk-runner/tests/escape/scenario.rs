//! What a fresh single-threaded process does.

use ropewalk_runner::sandbox::{Answer, Limits, Network, Order, Sandbox, Spec, range};
use rustix::fd::AsFd;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const NAMES: &[&str] = &["sudo_gives_root"];

pub(crate) fn run(args: &[String]) {
    let [name, home, tar] = args else { panic!("scenario NAME HOME TAR") };
    let world = World::new(Path::new(home), Path::new(tar));
    match name.as_str() {
        "sudo_gives_root" => {
            assert_eq!(world.step("id -un; sudo id -u"), (0, "build\n0\n".into()));
        }
        other => panic!("no scenario {other}"),
    }
}

struct World {
    image: PathBuf,
    work: PathBuf,
}

impl World {
    fn new(home: &Path, tar: &Path) -> World {
        let archive = std::fs::File::open(tar).unwrap();
        range::enter().unwrap();
        let image = home.join("image");
        if !image.exists() {
            let new = home.join(format!("image-{}", std::process::id()));
            std::fs::create_dir_all(&new).unwrap();
            std::os::unix::fs::chown(&new, Some(0), Some(0)).unwrap();
            let mut tar = Command::new("tar");
            tar.args(["-x", "-p", "--numeric-owner", "--exclude=./dev/*", "-C"]).arg(&new);
            // SAFETY: system calls only.
            unsafe { tar.pre_exec(|| range::become_root().map_err(std::io::Error::other)) };
            assert!(tar.stdin(archive).status().unwrap().success());
            let _ = std::fs::rename(new, &image);
        }
        let work = home.join(format!("work-{}", std::process::id()));
        World { image, work }
    }

    fn spec(&self) -> Spec {
        Spec {
            name: format!("test-{}", std::process::id()),
            image: self.image.clone(),
            layer: self.work.clone(),
            network: Network::None,
            hostname: "build".into(),
            binds: vec![],
            limits: Limits { memory: 1 << 30, processes: 512, disk: 1 << 30 },
        }
    }

    fn step(&self, script: &str) -> (i32, String) {
        let mut sandbox = Sandbox::open(&self.spec()).unwrap();
        let result = step(&sandbox, script);
        sandbox.kill();
        result
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.work);
    }
}

fn step(sandbox: &Sandbox, script: &str) -> (i32, String) {
    let (mut from, to) = std::io::pipe().unwrap();
    let mut file =
        std::fs::File::from(rustix::fs::memfd_create("step", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    file.write_all(script.as_bytes()).unwrap();
    file.rewind().unwrap();
    let order = Order::Run { name: "x".into(), env: vec![], root: false };
    sandbox.order(&order, &[to.as_fd(), file.as_fd()]).unwrap();
    drop(to);
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    match sandbox.answer().unwrap() {
        (Answer::Exit(status), _) => (status, text),
        other => panic!("{other:?}"),
    }
}
