//! Any text, from manifest to scripts: no panic, one verdict, and a plan that opens as it was sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::RunValues;
use ropewalk_model::manifest::{PlanOptions, check, plan, script};

fuzz_target!(|text: &str| {
    let report = check(text);
    assert_eq!(report.manifest.is_some(), report.errors.is_empty());
    // To YAML a lone carriage return ends a line as well.
    let lines = text.matches(['\n', '\r']).count() + 1;
    for problem in report.errors.iter().chain(&report.warnings) {
        assert!(problem.place.line >= 1 && problem.place.line <= lines);
        assert!(problem.place.column >= 1 && !problem.message.is_empty() && !problem.hint.is_empty());
    }
    let Some(manifest) = report.manifest else { return };
    assert_eq!(report.places.sources.len(), manifest.sources.len());
    let plan = plan(&manifest, &PlanOptions { secrets: true, limits: BuildLimits::default() });
    let sealed = plan.seal().unwrap();
    assert_eq!(sealed.open().unwrap(), plan);
    assert!(sealed.json.len() < 16 * (128 << 10), "a short manifest became a plan of {}", sealed.json.len());

    script::buildenv(&plan.environment, &RunValues::default());
    script::packages(&plan.packages);
    for (name, value) in &plan.repositories {
        script::repository(name, value);
    }
    for source in &plan.sources {
        script::clone(source);
    }
});
