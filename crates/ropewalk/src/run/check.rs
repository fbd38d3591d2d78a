//! `run --check`: whether a server would accept the manifest, and what is probably not meant so.

use super::Arguments;
use super::manifest::{label, plan_of};
use crate::config::Config;
use crate::exit::Exit;
use ropewalk_model::manifest::{Problem, Report, check as read};
use ropewalk_model::plan::{Plan, Scm, Source};
use ropewalk_runner::image::{Catalog, ImageName};
use ropewalk_runner::sandbox::range;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one source may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Success exactly when a server would accept it. The plan goes to standard output, problems to standard error.
pub(super) fn check(text: &str, arguments: &Arguments, config: &Config, data: &Path) -> anyhow::Result<Exit> {
    let mut report = read(text);
    let plan = report.manifest.as_ref().map(|manifest| plan_of(manifest, arguments, config));
    if let Some(plan) = &plan {
        let outside = warnings(plan, &report, config, data);
        report.warnings.extend(outside);
        report.warnings.sort_by_key(|problem| problem.place);
    }
    let mut errors = std::io::stderr().lock();
    for (word, problem) in label(&report.errors, "error").chain(label(&report.warnings, "warning")) {
        writeln!(errors, "{word}: {problem}")?;
    }
    let Some(plan) = plan else { return Ok(Exit::Usage) };
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(&plan)?)?;
    Ok(Exit::Success)
}

/// What the text does not decide.
fn warnings(plan: &Plan, report: &Report, config: &Config, data: &Path) -> Vec<Problem> {
    let mut warnings = vec![];
    let start = ropewalk_model::manifest::Place::START;
    if let Some(message) = missing_image(plan, config, data) {
        let place = report.places.image.unwrap_or(start);
        let hint = "add the image, or name another with --image".into();
        warnings.push(Problem { place, message, hint });
    }
    for (at, source) in plan.sources.iter().enumerate() {
        if let Some(why) = unreachable(source) {
            let place = report.places.sources.get(at).copied().unwrap_or(start);
            let message = format!("the source {} does not answer: {why}", source.url);
            let hint = "check the address; a private repository needs an SSH key among the secrets".into();
            warnings.push(Problem { place, message, hint });
        }
    }
    warnings
}

/// One that will be fetched is not missing.
fn missing_image(plan: &Plan, config: &Config, data: &Path) -> Option<String> {
    let origins = config.origins();
    let name = ImageName::parse(&plan.image).ok();
    if origins.fetch && name.is_some_and(|name| origins.source(&name).is_some()) {
        return None;
    }
    let resolved = match range::find() {
        Ok(range) => Catalog::new(data, range).resolve(&plan.image).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    resolved.err()
}

/// Asks a source for its references.
fn unreachable(source: &Source) -> Option<String> {
    let mut command = match source.scm {
        Scm::Git => {
            let mut git = Command::new("git");
            git.args(["-c", "protocol.ext.allow=never", "ls-remote", "--quiet", "--", &source.url, "HEAD"]);
            git.env("GIT_TERMINAL_PROMPT", "0").env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
            git
        }
        Scm::Hg => {
            let mut hg = Command::new("hg");
            hg.args(["identify", "--noninteractive", "--ssh", "ssh -o BatchMode=yes", "--", &source.url]);
            hg.env("HGPLAIN", "+strictflags");
            hg
        }
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Some(format!("{} cannot be started: {error}", command.get_program().display())),
    };
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return None,
            Ok(Some(status)) => return Some(status.to_string()),
            Err(error) => return Some(error.to_string()),
            Ok(None) if Instant::now() >= until => {
                let _ = child.kill();
                let _ = child.wait();
                return Some(format!("no answer within {} s", PATIENCE.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
