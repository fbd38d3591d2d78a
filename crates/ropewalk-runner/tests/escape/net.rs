//! The network by nat, in a farm of two network namespaces.

use crate::farm::{ALLOWED, ANSWER, LINK_LOCAL, OWN, PRIVATE, PUBLIC, resolver};
use crate::world::{World, step};
use ropewalk_runner::sandbox::network::Outside;
use ropewalk_runner::sandbox::weaken::{Guard, switch_off};
use ropewalk_runner::sandbox::{Network, Sandbox, SandboxError};
use std::collections::BTreeMap;
use std::net::{SocketAddrV4, TcpStream};
use std::path::Path;
use std::time::Duration;

/// What is asked for from inside: a name for the question and curl's arguments.
fn questions(gateway: &str) -> Vec<(&'static str, String)> {
    let direct = |address: &str| format!("--noproxy '*' http://{address}/");
    vec![
        ("the world", direct(&format!("{PUBLIC}:8080"))),
        ("a name", direct("somewhere.example:8080")),
        ("an opened port", direct(&format!("{PRIVATE}:3128"))),
        ("an allowed block", direct(&format!("{ALLOWED}:8080"))),
        ("the proxy on the host's loopback", "http://somewhere.example/".into()),
        ("its own loopback", direct("127.0.0.1:8081")),
        ("the host's loopback", direct(&format!("{gateway}.2:8081"))),
        ("another port of the name server", direct(&format!("{gateway}.3:8080"))),
        ("another port of an opened address", direct(&format!("{PRIVATE}:8080"))),
        ("a private address", direct("10.99.0.1:8081")),
        ("a link-local address", direct(&format!("{LINK_LOCAL}:8080"))),
        (
            "a link-local address by interface",
            format!("--interface net0 {}", direct(&format!("{LINK_LOCAL}:8080"))),
        ),
        ("the host's own address", direct(&format!("{OWN}:8081"))),
    ]
}

/// Questions that are answered; all others are not.
const ANSWERED: [&str; 5] =
    ["the world", "a name", "an opened port", "an allowed block", "the proxy on the host's loopback"];

fn ask(sandbox: &Sandbox, before: &str) -> BTreeMap<String, bool> {
    // Whatever network was chosen, the gateway is the second address of it.
    let (_, gateway) = step(sandbox, "ip -4 route show default | sed 's/default via \\(.*\\)[.]2 .*/\\1/'");
    let mut answers = BTreeMap::new();
    for (name, arguments) in questions(gateway.trim()) {
        let (_, text) = step(sandbox, &format!("{before} curl -s -m 2 {arguments} 2>&1"));
        answers.insert(name.to_owned(), text == ANSWER);
    }
    answers
}

fn outside() -> Outside {
    Outside::of_host().allow(["192.168.7.0/24".parse().unwrap()]).open(SocketAddrV4::new(PRIVATE, 3128))
}

pub(crate) fn the_world_is_reached_and_nothing_near(home: &Path) {
    // The control: all of it is there, for the host.
    let near =
        [(PUBLIC, 8080), (PRIVATE, 8080), (PRIVATE, 3128), (LINK_LOCAL, 8080), (ALLOWED, 8080), (OWN, 8081)];
    for (address, port) in
        near.into_iter().chain([([127, 0, 0, 1].into(), 3142), ([127, 0, 0, 1].into(), 8081)])
    {
        let address = SocketAddrV4::new(address, port).into();
        TcpStream::connect_timeout(&address, Duration::from_secs(5))
            .unwrap_or_else(|e| panic!("{address}: {e}"));
    }
    let mut world = World::new(home, "base");
    world.network = Network::Nat(outside());
    let sandbox = world.open();
    for before in ["", "sudo -E"] {
        for (question, answered) in ask(&sandbox, before) {
            if question == "a name" && resolver().is_none() {
                println!(
                    "NOT RUN here: names in the sandbox: the machine's resolver is not at an address of its own"
                );
                continue;
            }
            assert_eq!(answered, ANSWERED.contains(&question.as_str()), "{question}, as {before}");
        }
    }
    let tricks = "ip route replace default dev lo; ip link set net0 down; ip addr add 10.99.0.77/24 dev net0;
        ip neigh add 169.254.169.254 lladdr 02:00:00:00:00:02 dev net0";
    for trick in tricks.split(';') {
        assert_ne!(step(&sandbox, &format!("sudo {} 2>&1", trick.trim())).0, 0, "{trick}");
    }
}

pub(crate) fn everything_near_is_reached_when_the_guard_is_off(home: &Path) {
    let mut world = World::new(home, "base");
    world.network = Network::Nat(outside());
    switch_off(&[Guard::Network]);
    let answers = ask(&world.open(), "");
    let never = ["its own loopback", "another port of the name server", "a link-local address by interface"];
    for (question, answered) in answers {
        let expected = !never.contains(&question.as_str()) && (question != "a name" || resolver().is_some());
        assert!(answered || !expected, "{question} is not reached without the guard: it shows nothing");
    }
}

pub(crate) fn a_repository_is_cloned_through_the_network(home: &Path) {
    let mut world = World::new(home, "base");
    world.network = Network::Nat(Outside::default());
    let sandbox = world.open();
    // The server may take a moment to listen.
    let clone = "for i in 1 2 3 4 5 6 7 8 9; do git clone -q git://203.0.113.10/r && break; sleep 0.5; done; cat r/read-me";
    let (code, text) = step(&sandbox, clone);
    assert!(code == 0 && text.ends_with("hello\n"), "{text}");
}

pub(crate) fn no_network_means_none(home: &Path) {
    let world = World::new(home, "base");
    let sandbox = world.open();
    assert_eq!(
        step(&sandbox, "ip -br link | wc -l; curl -s -m 2 http://203.0.113.10:8080/ || echo no"),
        (0, "1\nno\n".into())
    );
}

pub(crate) fn a_missing_router_is_an_error_and_nothing_is_left(home: &Path) {
    let mut world = World::new(home, "base");
    world.network = Network::Nat(Outside::default());
    let _ = world.spec();
    // SAFETY: this process has one thread.
    unsafe { std::env::set_var("PATH", "/nonexistent") };
    match world.try_open() {
        Err(SandboxError::NoNetwork(why)) => assert!(why.contains("slirp4netns is not installed"), "{why}"),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn the_network_ends_with_the_sandbox(home: &Path) {
    let mut world = World::new(home, "base");
    world.network = Network::Nat(Outside::default());
    let me = std::process::id();
    let children = || {
        let list = std::fs::read_to_string(format!("/proc/{me}/task/{me}/children")).unwrap();
        list.split_whitespace().count()
    };
    let mut sandbox = world.open();
    assert_eq!(children(), 3, "init, router, helper");
    sandbox.kill();
    assert_eq!(children(), 0);
}

pub(crate) fn packages_and_sources_come_through_the_network(home: &Path) {
    let mut world = World::new(home, "base");
    world.network = Network::Nat(Outside::of_host());
    let sandbox = world.open();
    let install = "sudo apt-get -qq update && sudo DEBIAN_FRONTEND=noninteractive apt-get -qq install -y tree >/dev/null 2>&1 && tree --version | cut -d' ' -f1";
    let (code, text) = step(&sandbox, install);
    assert_eq!(code, 0, "{text}");
    assert!(text.ends_with("tree\n"), "{text}");
}

pub(crate) fn packages_come_into_the_machines_own_image_for_root(home: &Path) {
    let mut world = World::host(home);
    if !world.image.takes_packages() {
        println!("NOT RUN here: packages in the image host: only an agent that is root can install them");
        return;
    }
    world.network = Network::Nat(Outside::of_host());
    let sandbox = world.open();
    let install = "sudo apt-get -qq update && sudo DEBIAN_FRONTEND=noninteractive apt-get -qq install -y tree && tree --version
        sudo DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --reinstall gzip";
    let (code, text) = step(&sandbox, install);
    assert_eq!(code, 0, "{text}");
}
