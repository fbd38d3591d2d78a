//! Everything inside dies with the supervisor, and the sandbox is as good the last time as the
//! first.

use crate::world::{World, start, step};
use ropewalk_runner::sandbox::network::Outside;
use ropewalk_runner::sandbox::{Network, Order, cgroup};
use rustix::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many processes of a marked sleep there are on the machine.
fn marked(mark: &str) -> usize {
    let wanted = format!("sleep\0{mark}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(|c| c == wanted.as_bytes()))
        .count()
}

/// Waits until `holds`, at most ten seconds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The supervisor of the test below: opens a sandbox, starts what lives long, and waits.
pub(crate) fn victim(home: &Path) {
    let mark = std::env::var("ROPEWALK_TEST_MARK").unwrap();
    let mut world = World::new(home, "base");
    world.network = Network::Nat(Outside::default());
    let sandbox = world.open();
    let script = format!(
        "trap '' TERM HUP; setsid sleep {mark} & sudo setsid sleep {mark} & (sleep {mark} &) ; sleep {mark}"
    );
    let _output = start(&sandbox, &script, false);
    println!("open {}", world.spec().name);
    // Only a kill ends this.
    let mut fds = [rustix::event::PollFd::new(&sandbox, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut fds, None).unwrap();
}

pub(crate) fn nothing_outlives_a_killed_supervisor(home: &Path) {
    // The image is there before, so that the kills fall on what they are about.
    drop(World::new(home, "base"));
    for round in 0..30u64 {
        let mark = format!("5{}{round}", std::process::id());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--scenario", "victim"]).arg(home).env("ROPEWALK_TEST_MARK", &mark);
        let mut child = command.stdout(Stdio::null()).process_group(0).spawn().unwrap();
        // At every moment of a start: most take 20 to 60 ms.
        if round < 26 {
            std::thread::sleep(Duration::from_millis(round * 3));
        } else {
            until("the steps run", || marked(&mark) == 4);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        until("all is dead", || marked(&mark) == 0 && followers(child.id()) == 0);
        let name = format!("work-{}-0", child.id());
        until("its control groups are gone", || cgroup::remove(&cgroup::groups(&name)));
        for controller in ["memory", "pids", "cpu", "unified", "."] {
            let left = Path::new("/sys/fs/cgroup").join(controller).join(format!("ropewalk-{name}"));
            assert!(!left.exists(), "{}", left.display());
        }
    }
    crate::world::sweep(home);
}

/// Processes of a supervisor's process group that are left: router and helper.
fn followers(group: u32) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let in_group = |stat: String| {
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        fields.first() != Some(&"Z") && fields.get(2) == Some(&group.to_string().as_str())
    };
    processes.filter(|p| std::fs::read_to_string(p.path().join("stat")).is_ok_and(in_group)).count()
}

pub(crate) fn sixty_four_builds_in_a_row_leave_nothing(home: &Path) {
    let first = World::new(home, "base");
    first.step("true");
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    // Other scenarios mount things at the same time; ours have this process in their name.
    let ours = format!("work-{}-", std::process::id());
    let mounts = || {
        let all = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        all.lines().filter(|line| line.contains(&ours)).count()
    };
    let before = (descriptors(), mounts());
    for at in 0..64 {
        let mut world = World::of(home, first.image.clone());
        world.network = Network::Nat(Outside::default());
        let (code, text) = world.step(&format!("echo {at}; sudo id -u; echo x > left; exit {}", at % 7));
        assert_eq!((code, text), (at % 7, format!("{at}\n0\n")));
    }
    assert_eq!((descriptors(), mounts()), before);
}

pub(crate) fn a_malformed_order_ends_the_sandbox_and_nothing_else(home: &Path) {
    let world = World::new(home, "base");
    let sandbox = world.open();
    // What an order needs is missing: it is refused, and the sandbox goes on.
    for fds in [0, 1] {
        let null = std::fs::File::open("/dev/null").unwrap();
        let order = Order::Run { name: "x".into(), env: vec![], root: false };
        sandbox.order(&order, &vec![null.as_fd(); fds]).unwrap();
        let (answer, _) = sandbox.answer().unwrap();
        assert!(format!("{answer:?}").contains("an output and a script"), "{answer:?}");
    }
    for name in ["", ".", "..", "a/b", "../x", "a b", "\0"] {
        let null = std::fs::File::open("/dev/null").unwrap();
        let order = Order::Run { name: name.into(), env: vec![], root: false };
        sandbox.order(&order, &[null.as_fd(), null.as_fd()]).unwrap();
        assert!(format!("{:?}", sandbox.answer().unwrap().0).contains("bad step name"), "{name:?}");
    }
    assert_eq!(step(&sandbox, "echo alive").1, "alive\n");
    // No message of ours at all: init ends rather than guess.
    rustix::net::send(&sandbox, b"{", rustix::net::SendFlags::empty()).unwrap();
    let gone = sandbox.answer().unwrap_err().to_string();
    assert!(gone.contains("gone") || gone.contains("reset"), "{gone}");
}
