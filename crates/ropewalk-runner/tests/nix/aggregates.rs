//! Jobs that consist of others.

use crate::evaluation::{SH, evaluate};
use crate::world::{World, error, evaluation, names};
use ropewalk_runner::nix::derivation::DerivationFile;
use std::path::Path;

const RELEASE: &str = include_str!("fixture/release.nix");

pub(crate) fn hydra_50_an_aggregate_needs_what_it_names(home: &Path) {
    let world = World::new(home);
    let folder = world.folder("fixture", &[("release.nix", RELEASE)]);
    let (_, found) = world.found(&evaluation(&folder));
    let aggregate = found.jobs.iter().find(|job| job.name == "aggregate").unwrap();
    let expected = ["chain1", "chain2", "multi", "nested.tests.one", "success"];
    assert_eq!(aggregate.constituents.as_ref().unwrap(), &expected);
    assert_eq!(aggregate.description.as_deref(), Some("everything important"));
    let needs = &found.derivations[&aggregate.drv_path].needs;
    for name in expected {
        let job = found.jobs.iter().find(|job| job.name == name).unwrap();
        assert!(needs.contains(&job.drv_path), "{name} is not among {needs:?}");
        assert_eq!(job.constituents, None);
    }
    let drv = DerivationFile::read(&std::fs::read(&aggregate.drv_path).unwrap()).unwrap();
    assert_eq!(drv.inputs.len(), 5);
}

pub(crate) fn hydra_51_an_aggregate_of_a_missing_job_fails_alone(home: &Path) {
    let world = World::new(home);
    let text = format!(
        r#"let {SH} all = name: constituents: derivation {{ inherit name constituents; system = "x86_64-linux";
             builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; _hydraAggregate = true; }};
           in {{ good = sh "good" ""; broken = throw "no";
             missing = all "missing" [ "good" "nowhere" "broken" ]; whole = all "whole" [ "good" ];
             ring1 = all "ring1" [ "ring2" ]; ring2 = all "ring2" [ "ring1" ]; outer = all "outer" [ "whole" ]; }}"#
    );
    let found = evaluate(&world, &text);
    assert_eq!(names(&found), ["good", "outer", "whole"]);
    let missing = error(&found, "missing");
    assert!(
        missing.contains("nowhere is no job") && missing.contains("broken cannot be evaluated"),
        "{missing}"
    );
    assert!(error(&found, "ring1").contains("ring1, ring2"));
    let of = |name: &str| found.jobs.iter().find(|job| job.name == name).unwrap();
    // The outer one needs the inner one as it is now.
    assert_eq!(found.derivations[&of("outer").drv_path].needs, [of("whole").drv_path.clone()]);
    assert_eq!(of("outer").constituents.as_deref(), Some(&["whole".to_owned()][..]));
}
