//! What derivations see of the network whose outputs are fixed by a hash: any program can be the builder of one.

use crate::bench::Bench;
use crate::farm::cause;
use crate::nix::Mill;
use ropewalk_model::link::Outcome;
use ropewalk_model::status::Cause;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("a_fixed_derivation_sees_nothing_of_the_machine", out_of_sight),
    ("a_fixed_derivation_fetches_by_the_machines_proxy", proxied),
];

/// `PORT` is a port of the machine's loopback.
const JOBS: &str = r#"
let
  fixed = name: more: derivation ({
    inherit name; system = "x86_64-linux"; builder = "/bin/sh";
    outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = builtins.hashString "sha256" "ok\n";
  } // more);
  look = name: fixed name { args = [ "-c" ''
    cat /proc/net/unix
    for where in 127.0.0.1 169.254.169.254 198.18.77.2 10.0.0.1; do nc -w 2 $where PORT </dev/null && echo "reached $where"; done
    echo "score $(cat /proc/self/oom_score_adj)"; [ -e /var/run/nscd/socket ] && echo "a cache of names"
    echo looked; echo ok > $out
  '' ]; };
in rec {
  none = look "none";
  nat = look "nat";
  builtin = fixed "builtin" { system = "builtin"; builder = "builtin:fetchurl"; url = "http://example.invalid/builtin"; };
  program = fixed "program" { impureEnvVars = [ "http_proxy" ]; args = [ "-c" "echo $http_proxy; wget -q -O $out http://example.invalid/program" ]; };
  # Its own output is not fixed, but that of what it needs is gone.
  user = derivation { name = "user"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "wget -q -O $out http://example.invalid/user; cat ${builtin} > $out" ]; };
}
"#;

fn out_of_sight(bench: &Bench) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let name = format!("ropewalk-test-of-{port}");
    let _abstract =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
    let seen_here = std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(seen_here.contains(&name), "the test would show nothing");
    for (job, variables) in [("none", &[][..]), ("nat", &[("TEST_NAT", "1")][..])] {
        let mut mill = Mill::of(bench, &JOBS.replace("PORT", &port), variables);
        let (id, outcome) = mill.build(job);
        let log = mill.log(id);
        assert_eq!(outcome, Outcome::Success, "{log}");
        assert!(log.contains("looked\n") && log.contains("RefCount"), "{log}");
        assert!(!log.contains(&name) && !log.contains("reached") && !log.contains("a cache"), "{log}");
        assert!(log.contains("score 800\n"), "{log}");
        let accepted = listener.accept();
        assert!(accepted.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{job} came through");
    }
    assert_eq!(files(&bench.folder.join("nix/log")), 0, "Nix keeps logs that nobody reads");
}

/// Files below a folder.
fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let count = |entry: std::fs::DirEntry| match entry.path().is_dir() {
        true => files(&entry.path()),
        false => 1,
    };
    entries.map(count).sum()
}

fn proxied(bench: &Bench) {
    let (port, asked) = proxy();
    let proxy = format!("http://somebody:secret@127.0.0.1:{port}");
    let mut mill = Mill::of(bench, JOBS, &[("TEST_NAT", "host"), ("http_proxy", &proxy)]);
    for job in ["builtin", "program"] {
        let (id, outcome) = mill.build(job);
        let log = mill.log(id);
        assert_eq!(outcome, Outcome::Success, "{job}: {log}");
        let request = asked.recv_timeout(std::time::Duration::from_secs(1)).unwrap();
        assert!(request.starts_with(&format!("GET http://example.invalid/{job} ")), "{request}");
        assert!(!request.to_lowercase().contains("authorization"), "{request}");
        if job == "program" {
            assert!(log.contains(&format!(":{port}\n")) && !log.contains("secret"), "{log}");
        }
    }
    // What it needs is there: its own output is not fixed, so it has no network.
    let (id, outcome) = mill.build("user");
    assert_eq!(outcome, Outcome::Success, "{}", mill.log(id));
    assert!(asked.try_recv().is_err());
    // Without any network, nothing is fetched.
    drop(mill);
    let bench_without = Mill::of(bench, &JOBS.replace("ok\\n", "other\\n"), &[("http_proxy", &proxy)]);
    let mut mill = bench_without;
    let (_, outcome) = mill.build("builtin");
    assert!(cause(&outcome).is_some_and(|cause| cause != Cause::Infrastructure), "{outcome:?}");
    assert!(asked.try_recv().is_err());
}

/// A proxy that answers everything with the same; its port, and what it is asked.
fn proxy() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tell, asked) = channel();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n");
            if tell.send(head.join("\n")).is_err() {
                return;
            }
        }
    });
    (port, asked)
}
