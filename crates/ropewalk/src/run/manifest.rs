//! From the command line to a plan.

use super::Arguments;
use crate::config::Config;
use crate::exit::Failure;
use ropewalk_model::manifest::{Manifest, PlanOptions, check};
use ropewalk_model::plan::Plan;
use std::io::Write;
use std::path::Path;

/// What is run when nothing is named.
const DEFAULT: &str = ".build.yml";

/// The manifest's text.
pub(super) fn read(path: Option<&Path>) -> anyhow::Result<String> {
    let path = path.unwrap_or(Path::new(DEFAULT));
    crate::text::read_manifest(path).map_err(|error| {
        Failure::usage(format_args!(
            "cannot read the manifest {}: {error}; name another file, or - for standard input",
            path.display()
        ))
    })
}

/// The plan; problems of the manifest go to standard error.
pub(super) fn plan(text: &str, arguments: &Arguments, config: &Config) -> anyhow::Result<Plan> {
    let report = check(text);
    let mut errors = std::io::stderr().lock();
    for (word, problem) in label(&report.errors, "error").chain(label(&report.warnings, "warning")) {
        writeln!(errors, "{word}: {problem}")?;
    }
    match report.manifest {
        Some(manifest) => Ok(plan_of(&manifest, arguments, config)),
        None => Err(Failure::usage("a server would refuse this manifest; nothing was run")),
    }
}

pub(super) fn plan_of(manifest: &Manifest, arguments: &Arguments, config: &Config) -> Plan {
    let options = PlanOptions { secrets: true, limits: config.limits.builds.clone() };
    let plan = ropewalk_model::manifest::plan(manifest, &options);
    match &arguments.image {
        Some(image) => Plan { image: image.clone(), ..plan },
        None => plan,
    }
}

pub(super) fn label<'a, T>(list: &'a [T], word: &'a str) -> impl Iterator<Item = (&'a str, &'a T)> {
    list.iter().map(move |item| (word, item))
}
