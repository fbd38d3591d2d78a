//! Attempts to get out (`attempts.c`): all are held, and each gets through when its guard is off.

use crate::image;
use crate::world::{World, step};
use ropewalk_runner::sandbox::weaken::{Guard, switch_off};
use ropewalk_runner::sandbox::{Answer, Bind, Network, Order, Sandbox};
use rustix::fd::OwnedFd;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How many attempts there must be, the control apart.
const AT_LEAST: usize = 122;
/// How many of them must get through without their guard where the agent is root. On the leanest kernel that we know
/// (Linux 6.18 without modules, kexec, `/dev/mem`, `AF_ALG`, dummy interfaces and TIOCSTI) 13 are held by that alone.
/// Three more may be missing, for kernels without userfaultfd, fanotify and their like.
const CONFIRMED_AS_ROOT: usize = 106;
/// The same for an ordinary account, which cannot make the 34 attempts that need the host's root outside.
const CONFIRMED_AS_ACCOUNT: usize = 78;

/// One line of what the program printed.
#[derive(Debug)]
struct Verdict {
    name: String,
    opened_by: String,
    through: bool,
    detail: String,
}

fn verdicts(text: &str) -> Vec<Verdict> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split('|').collect();
        let [name, opened_by, verdict, detail] = fields[..] else { panic!("no verdict: {line}\n{text}") };
        let [name, opened_by, detail] = [name, opened_by, detail].map(str::to_owned);
        Verdict { name, opened_by, through: verdict == "THROUGH", detail }
    };
    let verdicts: Vec<Verdict> = text.lines().map(parse).collect();
    assert!(verdicts.first().is_some_and(|control| control.through), "the control failed: {text}");
    verdicts.into_iter().skip(1).collect()
}

/// What the host has that no build may reach.
struct Host {
    program: PathBuf,
    file: PathBuf,
    folder: PathBuf,
    other_build: PathBuf,
    socket: String,
    port: u16,
    shared_memory: i32,
    _listening: (UnixListener, TcpListener),
    memory: i32,
}

impl Host {
    fn new(home: &Path) -> Host {
        let folder = home.join(format!("host-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [file, other_build] = ["file", "other"].map(|name| folder.join(name));
        std::fs::write(&file, "secret").unwrap();
        std::fs::write(&other_build, "secret").unwrap();
        let socket = format!("ropewalk-test-{}", std::process::id());
        use std::os::linux::net::SocketAddrExt;
        let unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&socket).unwrap()).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let shared_memory = std::process::id().cast_signed();
        // SAFETY: makes a segment; removed on drop.
        let memory = unsafe { libc::shmget(shared_memory, 4096, libc::IPC_CREAT | 0o666) };
        assert!(memory >= 0);
        let program = std::env::var(image::variable("attempts")).unwrap().into();
        Host {
            program,
            file,
            folder,
            other_build,
            socket,
            port,
            shared_memory,
            _listening: (unix, tcp),
            memory,
        }
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HOST_HOME", self.folder.parent().unwrap().display().to_string()),
            ("HOST_FILE", self.file.display().to_string()),
            ("HOST_FOLDER", self.folder.display().to_string()),
            ("OTHER_BUILD", self.other_build.display().to_string()),
            ("HOST_SOCKET", self.socket.clone()),
            ("HOST_PORT", self.port.to_string()),
            ("HOST_PID", std::process::id().to_string()),
            ("HOST_SHM", self.shared_memory.to_string()),
        ]
    }

    /// Runs the attempts in a sandbox.
    fn run(&self, sandbox: &Sandbox, before: &str, only: &str) -> Vec<Verdict> {
        let variables: Vec<String> = self.variables().iter().map(|(k, v)| format!("{k}={v}")).collect();
        let (code, text) =
            step(sandbox, &format!("{before} env {} /opt/attempts {only} 2>&1", variables.join(" ")));
        assert_eq!(code, 0, "{text}");
        verdicts(&text)
    }

    fn world(&self, home: &Path) -> World {
        let mut world = World::new(home, "base");
        world.limits.processes = 4096;
        world.binds.push(Bind { source: self.program.clone(), target: "/opt/attempts".into() });
        world
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // SAFETY: removes our own segment.
        unsafe { libc::shmctl(self.memory, libc::IPC_RMID, std::ptr::null_mut()) };
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn every_attempt_is_held(home: &Path) {
    let mut host = Host::new(home);
    let world = host.world(home);
    let neighbour = host.world(home);
    let other = neighbour.open();
    assert_eq!(step(&other, "echo secret > secret").0, 0);
    host.other_build = neighbour.work.join("upper/home/build/secret");
    assert!(host.other_build.exists());
    let sandbox = world.open();
    for (who, before) in [("the build account", ""), ("root inside", "sudo")] {
        let verdicts = host.run(&sandbox, before, "");
        let through: Vec<&Verdict> = verdicts.iter().filter(|v| v.through).collect();
        assert!(through.is_empty(), "{who} got through: {through:#?}");
        assert!(verdicts.len() >= AT_LEAST, "only {} attempts", verdicts.len());
        println!(":: {} attempts of {who} were held", verdicts.len());
    }
    // The sandbox is as good as new afterwards.
    assert_eq!(step(&sandbox, "sudo sh -c 'id -u; kill -9 1; echo $?'").1, "0\n0\n");
    assert_eq!(step(&sandbox, "echo alive").1, "alive\n");
}

pub(crate) fn every_attempt_gets_through_when_its_guard_is_off(home: &Path) {
    let host = Host::new(home);
    let mut confirmed = 0;
    let mut judge = |verdicts: Vec<Verdict>| {
        for Verdict { name, opened_by, through, detail } in verdicts {
            if through {
                confirmed += 1;
            } else {
                println!(
                    "NOT RUN here: attempt `{name}`: held without its guard ({opened_by}) too: {detail}"
                );
            }
        }
    };
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        judge(outside(&host, home));
    } else {
        println!("NOT RUN here: attempts that only root can make outside: the agent is an ordinary account");
    }
    let world = host.world(home);
    for opened_by in openers(&host, &world) {
        let mut world = host.world(home);
        if opened_by == "network" {
            world.network = Network::Host;
        }
        switch_off(&opened_by.split(',').filter_map(guard).collect::<Vec<_>>());
        let verdicts = host.run(&world.open(), "sudo", &opened_by);
        switch_off(&[]);
        assert!(!verdicts.is_empty(), "{opened_by}");
        judge(verdicts);
    }
    println!(":: {confirmed} attempts got through without their guards");
    let enough = if is_root { CONFIRMED_AS_ROOT } else { CONFIRMED_AS_ACCOUNT };
    assert!(confirmed >= enough, "only {confirmed} of {enough} attempts got through without their guards");
}

fn guard(name: &str) -> Option<Guard> {
    match name {
        "seccomp" => Some(Guard::Seccomp),
        "capabilities" => Some(Guard::Capabilities),
        "dumpable" => Some(Guard::Dumpable),
        "masks" => Some(Guard::Masks),
        "network" => None,
        other => panic!("no guard {other}"),
    }
}

/// What opens attempts, apart from being outside.
fn openers(host: &Host, world: &World) -> BTreeSet<String> {
    let all = host.run(&world.open(), "sudo", "");
    all.into_iter().map(|v| v.opened_by).filter(|by| by != "outside").collect()
}

/// Runs the attempts that a user namespace or the host's own files must hold, on the host.
fn outside(host: &Host, home: &Path) -> Vec<Verdict> {
    let scratch = home.join(format!("outside-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let mut command = Command::new("unshare");
    command.arg("--mount").arg(&host.program).arg("outside").env("HOME", &scratch).envs(host.variables());
    let output = command.output().unwrap();
    std::fs::remove_dir_all(&scratch).unwrap();
    verdicts(&String::from_utf8_lossy(&output.stdout))
}

pub(crate) fn every_file_comes_out_when_its_guard_is_off(home: &Path) {
    let world = World::new(home, "base");
    let prepare = "echo fine > good; ln -s good link; ln -s /etc dirlink; ln -s /dev/zero device";
    let tries = |sandbox: &Sandbox| -> Vec<bool> {
        assert_eq!(step(sandbox, prepare).0, 0);
        ["link", "dirlink/passwd", "../../etc/passwd", "device"]
            .map(|path| {
                sandbox.order(&Order::Collect(PathBuf::from(path)), &[]).unwrap();
                let (answer, fds): (Answer, Vec<OwnedFd>) = sandbox.answer().unwrap();
                answer == Answer::Done && fds.len() == 1
            })
            .to_vec()
    };
    switch_off(&[Guard::Collect]);
    assert_eq!(tries(&world.open()), [true; 4]);
    switch_off(&[]);
    assert_eq!(tries(&World::new(home, "base").open()), [false; 4]);
}
