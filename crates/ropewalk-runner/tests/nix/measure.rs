//! How long an evaluation takes, beside the bare program.

use crate::world::{World, evaluation};
use std::process::Stdio;
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

/// Prints what 1,000 jobs take: all of an evaluation, and the bare nix-instantiate with the same walker, each in a store
/// of its own.
pub(crate) fn measure() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let text = jobs(1000);
    for round in ["cold", "warm"] {
        let world = World::new(&folder.path().join("own"));
        let source = world.folder("source", &[("release.nix", &text)]);
        let began = Instant::now();
        let ended = world.evaluate(&evaluation(&source));
        assert_eq!(ended.result.unwrap().found.unwrap().jobs.len(), 1000);
        let own = began.elapsed();
        println!("{}", ended.log);
        let world = World::new(&folder.path().join("bare"));
        let source = world.folder("source", &[("release.nix", &text)]);
        let walker = world.folder("walker", &[("walk.nix", include_str!("../../src/nix/walk/walk.nix"))]);
        let mut command = world.tools().command("nix-instantiate");
        command.args([
            "--eval",
            "--strict",
            "--json",
            "--read-write-mode",
            "--option",
            "restrict-eval",
            "true",
        ]);
        command.arg("-I").arg(format!("walker={}", walker.display()));
        command.arg("-I").arg(format!("src={}", source.display()));
        command.args(["--expr", "(import <walker/walk.nix>).visit {} [] (import <src/release.nix>)"]);
        let began = Instant::now();
        let status = command.stdout(Stdio::null()).status().unwrap();
        let bare = began.elapsed();
        assert!(status.success());
        println!(
            "1000 jobs, {round} store: evaluation {:.2} s, bare nix-instantiate {:.2} s, ratio {:.2}",
            own.as_secs_f64(),
            bare.as_secs_f64(),
            own.as_secs_f64() / bare.as_secs_f64()
        );
    }
}
