//! Latencies, all kinds in turn so that a busy machine hits them alike. Run with
//! `cargo test -p ropewalk-runner --test escape -- --ignored latencies`.

use crate::world::{World, start, status, step};
use ropewalk_runner::sandbox::network::Outside;
use ropewalk_runner::sandbox::{Network, Order};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 40;

#[derive(Default)]
struct Times(Vec<(&'static str, Vec<Duration>)>);

impl Times {
    fn take<T>(&mut self, name: &'static str, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.add(name, began.elapsed());
        result
    }

    fn add(&mut self, name: &'static str, took: Duration) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, list)) => list.push(took),
            None => self.0.push((name, vec![took])),
        }
    }
}

pub(crate) fn latencies(home: &Path) {
    let mut times = Times::default();
    let first = World::new(home, "base");
    first.step("true");
    let bare = || Command::new("/bin/true").stdout(Stdio::null()).status().unwrap();
    for _ in 0..ROUNDS {
        times.take("bare /bin/true", bare);
        let world = World::of(home, first.image.clone());
        let began = Instant::now();
        let mut sandbox = times.take("open", || world.open());
        times.take("first byte of a step in an open sandbox (warm)", || {
            sandbox.order(&Order::Hostname("b".into()), &[]).unwrap();
            sandbox.answer().unwrap();
            let mut output = start(&sandbox, "echo x", false);
            output.read_exact(&mut [0]).unwrap();
        });
        times.add("first byte of a step, sandbox included (cold)", began.elapsed());
        status(&sandbox);
        times.take("a further step, `exec /bin/true`", || step(&sandbox, "exec /bin/true"));
        times.take("a step with sudo", || step(&sandbox, "sudo true"));
        times.take("kill", || sandbox.kill());
        let mut world = World::of(home, first.image.clone());
        world.network = Network::Nat(Outside::default());
        let mut sandbox = times.take("open with a network by nat", || world.open());
        times.take("kill with a network by nat", || sandbox.kill());
    }
    for (name, mut list) in times.0 {
        list.sort_unstable();
        let ms = |at: usize| list[at].as_secs_f64() * 1e3;
        println!(":: {name:50} median {:7.2} ms  p90 {:7.2} ms", ms(list.len() / 2), ms(list.len() * 9 / 10));
    }
}
