//! How long an evaluation takes, beside the bare program.

use crate::world::{World, evaluation};
use std::process::{Command, Stdio};
use std::time::Instant;

/// An expression with so many jobs, each with a description of itself.
pub(crate) fn jobs(count: usize) -> String {
    format!(
        r#"builtins.listToAttrs (builtins.genList (n: {{ name = "job${{toString n}}"; value = (derivation {{
             name = "job-${{toString n}}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo ${{toString n}} > $out" ]; }})
           // {{ meta = {{ description = "job number ${{toString n}}"; homepage = "https://example.org/${{toString n}}";
                license = {{ shortName = "MIT"; }}; maintainers = [ {{ email = "a@example.org"; }} ]; }}; }}; }}) {count})"#
    )
}

/// Rounds of which the best counts: others work on the machine too.
const ROUNDS: usize = 5;

/// Prints what 1,000 jobs take: all of an evaluation, and the bare nix-instantiate with the same walker, in turns and
/// each time in a store of its own.
pub(crate) fn measure() {
    let text = jobs(1000);
    let (mut own, mut bare) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let world = World::new(&folder.path().join("own"));
        let evaluation = evaluation(&world.folder("source", &[("release.nix", &text)]));
        own.push(Taken::by(|| assert_eq!(world.found(&evaluation).1.jobs.len(), 1000)));
        let world = World::new(&folder.path().join("bare"));
        let mut command = bare_command(&world, &text);
        bare.push(Taken::by(|| assert!(command.status().unwrap().success())));
    }
    for (name, of) in [("elapsed", Taken::elapsed as fn(&Taken) -> f64), ("processor", Taken::processor)] {
        let best = |taken: &[Taken]| taken.iter().map(of).fold(f64::INFINITY, f64::min);
        let (own, bare) = (best(&own), best(&bare));
        println!(
            "1000 jobs, {name} time, best of {ROUNDS}: evaluation {own:.2} s, bare nix-instantiate {bare:.2} s, ratio {:.2}",
            own / bare
        );
    }
}

fn bare_command(world: &World, text: &str) -> Command {
    let source = world.folder("source", &[("release.nix", text)]);
    let walker = world.folder("walker", &[("walk.nix", include_str!("../../src/nix/walk/walk.nix"))]);
    let mut command = world.tools().command("nix-instantiate");
    command.args(["--eval", "--strict", "--json", "--read-write-mode", "--option", "restrict-eval", "true"]);
    for (name, path) in [("walker", walker), ("src", source)] {
        command.arg("-I").arg(format!("{name}={}", path.display()));
    }
    command.args(["--expr", "(import <walker/walk.nix>).visit {} [] (import <src/release.nix>)"]);
    command.stdout(Stdio::null());
    command
}

/// What something took, in seconds.
struct Taken {
    elapsed: f64,
    processor: f64,
}

impl Taken {
    fn by(work: impl FnOnce()) -> Taken {
        let (began, before) = (Instant::now(), children());
        work();
        Taken { elapsed: began.elapsed().as_secs_f64(), processor: children() - before }
    }

    fn elapsed(&self) -> f64 {
        self.elapsed
    }

    fn processor(&self) -> f64 {
        self.processor
    }
}

/// Processor seconds of all processes that were waited for.
fn children() -> f64 {
    // SAFETY: the structure outlives the call, and zeros are one of its values.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
