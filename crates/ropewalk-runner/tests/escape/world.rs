//! What scenarios are made of: an image, a sandbox, steps in it.

use crate::image;
use ropewalk_runner::image::{Catalog, Rootfs};
use ropewalk_runner::sandbox::{Answer, Bind, Limits, Network, Order, Sandbox, SandboxError, Spec, range};
use rustix::fd::{AsFd, OwnedFd};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Once, OnceLock};

/// Where a scenario works. Its files go with it.
pub(crate) struct World {
    pub(crate) image: Rootfs,
    pub(crate) work: PathBuf,
    pub(crate) network: Network,
    pub(crate) limits: Limits,
    pub(crate) binds: Vec<Bind>,
}

impl World {
    /// A world of this image, in the account's folder.
    pub(crate) fn new(home: &Path, name: &str) -> World {
        // The first one is made before the range is entered: afterwards nobody can say which it is.
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        let catalog = CATALOG.get_or_init(|| Catalog::new(home, range::find().unwrap()));
        let image = catalog.resolve(name).unwrap_or_else(|_| {
            let tar = std::env::var(image::variable(name)).unwrap();
            catalog.import(Path::new(&tar), name).unwrap();
            catalog.resolve(name).unwrap()
        });
        World::of(home, image)
    }

    /// The same with its files in another folder.
    pub(crate) fn in_folder(home: &Path, folder: &Path, name: &str) -> World {
        World::of(folder, World::new(home, name).image.clone())
    }

    /// A world of the machine's own image.
    pub(crate) fn host(home: &Path) -> World {
        World::of(home, Catalog::new(home, range::find().unwrap()).resolve("host").unwrap())
    }

    pub(crate) fn of(home: &Path, image: Rootfs) -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let work = home.join(format!("work-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&work).unwrap();
        let limits = Limits { memory: 1 << 30, processes: 512, disk: 1 << 30, cpus: 0 };
        World { image, work, network: Network::None, limits, binds: vec![] }
    }

    pub(crate) fn spec(&self) -> Spec {
        let image = self.image.pin().unwrap();
        // Once a process.
        static ENTERED: Once = Once::new();
        ENTERED.call_once(|| {
            range::enter().unwrap();
        });
        Spec {
            name: self.work.file_name().unwrap().to_str().unwrap().to_owned(),
            image,
            layer: self.work.clone(),
            network: self.network.clone(),
            hostname: "build".into(),
            binds: self.binds.clone(),
            limits: self.limits,
        }
    }

    pub(crate) fn try_open(&self) -> Result<Sandbox, SandboxError> {
        Sandbox::open(&self.spec())
    }

    pub(crate) fn open(&self) -> Sandbox {
        self.try_open().unwrap()
    }

    /// One step as the build account in a sandbox of its own: exit code and output.
    pub(crate) fn step(&self, script: &str) -> (i32, String) {
        let mut sandbox = self.open();
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

/// Removes the files of worlds whose process was killed.
pub(crate) fn sweep(home: &Path) {
    let _ = range::enter();
    for entry in std::fs::read_dir(home).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let owner = name.strip_prefix("work-").and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// Starts a step; the descriptor reads its output.
pub(crate) fn start(sandbox: &Sandbox, script: &str, root: bool) -> File {
    let (from, to) = std::io::pipe().unwrap();
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("step", flags).unwrap());
    file.write_all(script.as_bytes()).unwrap();
    file.rewind().unwrap();
    let order = Order::Run { name: "x".into(), env: vec![], root };
    sandbox.order(&order, &[to.as_fd(), file.as_fd()]).unwrap();
    File::from(OwnedFd::from(from))
}

/// How the step ended, as waitpid says it. Waits without limit.
pub(crate) fn status(sandbox: &Sandbox) -> i32 {
    let mut fds = [rustix::event::PollFd::new(sandbox, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut fds, None).unwrap();
    match sandbox.answer().unwrap() {
        (Answer::Exit(status), _) => status,
        other => panic!("{other:?}"),
    }
}

/// One step as the build account: exit code and output. Output of daemons that live on is not
/// waited for.
pub(crate) fn step(sandbox: &Sandbox, script: &str) -> (i32, String) {
    let mut from = start(sandbox, script, false);
    let status = status(sandbox);
    rustix::io::ioctl_fionbio(&from, true).unwrap();
    let mut text = vec![];
    let _ = from.read_to_end(&mut text);
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    (code, String::from_utf8_lossy(&text).into_owned())
}
