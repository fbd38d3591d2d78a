//! What a fresh single-threaded process does.

use ropewalk_runner::image::{Catalog, Pinned, Rootfs};
use ropewalk_runner::sandbox::network::Outside;
use ropewalk_runner::sandbox::{Answer, Limits, Network, Order, Sandbox, Spec, range};
use rustix::fd::AsFd;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

pub(crate) const NAMES: &[&str] = &["sudo_gives_root"];

pub(crate) fn run(args: &[String]) {
    let [name, home, tar] = args else { panic!("scenario NAME HOME TAR") };
    let world = World::new(Path::new(home), Path::new(tar));
    match name.as_str() {
        "sudo_gives_root" => {
            assert_eq!(world.step("id -un; sudo id -u"), (0, "build\n0\n".into()));
        }
        "try" => {
            let script = std::env::var("TRY").unwrap();
            let (status, text) = world.step_in(&script, Network::Nat(Outside::of_host()));
            println!("{text}\nstatus {status}");
            std::process::exit(1);
        }
        other => panic!("no scenario {other}"),
    }
}

struct World {
    image: Rootfs,
    work: PathBuf,
}

impl World {
    fn new(home: &Path, tar: &Path) -> World {
        let catalog = Catalog::new(home, range::find().unwrap());
        let image = catalog.resolve("base").unwrap_or_else(|_| {
            catalog.import(tar, "base").unwrap();
            catalog.resolve("base").unwrap()
        });
        let work = home.join(format!("work-{}", std::process::id()));
        World { image, work }
    }

    fn spec(&self, image: Pinned, network: Network) -> Spec {
        Spec {
            name: format!("test-{}", std::process::id()),
            image,
            layer: self.work.clone(),
            network,
            hostname: "build".into(),
            binds: vec![],
            limits: Limits { memory: 1 << 30, processes: 512, disk: 1 << 30, cpus: 0 },
        }
    }

    fn step(&self, script: &str) -> (i32, String) {
        self.step_in(script, Network::None)
    }

    fn step_in(&self, script: &str, network: Network) -> (i32, String) {
        let image = self.image.pin().unwrap();
        range::enter().unwrap();
        let mut sandbox = Sandbox::open(&self.spec(image, network)).unwrap();
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
