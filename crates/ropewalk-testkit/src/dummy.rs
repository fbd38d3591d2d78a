//! A backend that runs nothing: the scripts of a plan say how long it takes and how it ends.
//!
//! One command a line: `sleep SECONDS`, `exit CODE`, `needs FLAG` (exits with 1 while the flag is not set),
//! `artifact PATH`, `fail CAUSE` (ends the attempt), `vanish` (nothing is ever heard of the attempt again), each of
//! them optionally behind `attempt N:` for the N-th attempt only.

use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, Outcome};
use ropewalk_model::plan::{Plan, PlanError, PlanStep, SealedPlan};
use ropewalk_model::status::Cause;
use std::collections::BTreeSet;
use std::time::Duration;

/// How an attempt goes: what is reported when, counted from its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// In order.
    pub facts: Vec<(Duration, AttemptFact)>,
    /// When it ends.
    pub ends: Duration,
    /// How; none if it vanishes.
    pub outcome: Option<Outcome>,
}

/// A script that the dummy does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the dummy backend does not know the command \"{0}\"")]
pub struct Unknown(pub String);

/// A plan with these scripts as its steps, named `s0`, `s1`, ….
pub fn plan(scripts: &[String]) -> Result<SealedPlan, PlanError> {
    let step = |(position, script): (usize, &String)| PlanStep {
        name: format!("s{position}"),
        script: script.clone(),
    };
    let steps = scripts.iter().enumerate().map(step).collect();
    Plan::of_steps("dummy", steps, BuildLimits::default()).seal()
}

/// How the `attempt`-th attempt at a plan goes while these flags are set.
pub fn course(plan: &Plan, attempt: i64, flags: &BTreeSet<String>) -> Result<Course, Unknown> {
    let mut course =
        Course { facts: vec![(Duration::ZERO, AttemptFact::Started)], ends: Duration::ZERO, outcome: None };
    for (step, text) in (0_u32..).zip(&plan.steps) {
        course.facts.push((course.ends, AttemptFact::StepStarted { step }));
        match run(&mut course, &text.script, attempt, flags)? {
            Done::Exit(exit) => {
                course.facts.push((course.ends, AttemptFact::StepEnded { step, exit }));
                if exit != 0 {
                    return Ok(ended(
                        course,
                        Cause::StepFailed,
                        format!("step {} exited with {exit}", text.name),
                    ));
                }
            }
            Done::Fail(cause) => return Ok(ended(course, cause, "as the script said".into())),
            Done::Vanish => return Ok(course),
        }
    }
    course.outcome = Some(Outcome::Success);
    Ok(course)
}

enum Done {
    Exit(i32),
    Fail(Cause),
    Vanish,
}

fn ended(course: Course, cause: Cause, message: String) -> Course {
    Course { outcome: Some(Outcome::Failure { cause, message }), ..course }
}

fn run(course: &mut Course, script: &str, attempt: i64, flags: &BTreeSet<String>) -> Result<Done, Unknown> {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some(command) = this_attempt(line, attempt) else { continue };
        let unknown = || Unknown(line.to_owned());
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "sleep" => course.ends += Duration::from_secs(rest.parse().map_err(|_| unknown())?),
            "exit" => return Ok(Done::Exit(rest.parse().map_err(|_| unknown())?)),
            "needs" if flags.contains(rest) => {}
            "needs" => return Ok(Done::Exit(1)),
            "artifact" => {
                let sha256 = "0".repeat(64);
                let fact = AttemptFact::Artifact { path: rest.to_owned(), size: 0, sha256 };
                course.facts.push((course.ends, fact));
            }
            "fail" => return Ok(Done::Fail(rest.parse().map_err(|_| unknown())?)),
            "vanish" => return Ok(Done::Vanish),
            _ => return Err(unknown()),
        }
    }
    Ok(Done::Exit(0))
}

/// The command of a line, if it is for this attempt.
fn this_attempt(line: &str, attempt: i64) -> Option<&str> {
    match line.strip_prefix("attempt ").and_then(|rest| rest.split_once(':')) {
        Some((number, command)) => (number.trim().parse() == Ok(attempt)).then(|| command.trim()),
        None => Some(line),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn go(scripts: &[&str], attempt: i64, flags: &[&str]) -> Course {
        let scripts: Vec<String> = scripts.iter().map(|script| script.to_string()).collect();
        let plan = plan(&scripts).unwrap().open().unwrap();
        course(&plan, attempt, &flags.iter().map(|flag| flag.to_string()).collect()).unwrap()
    }

    #[test]
    fn a_failing_step_ends_the_attempt_when_its_time_has_passed() {
        let course = go(&["sleep 5", "sleep 2\nexit 3", "sleep 100"], 1, &[]);
        assert_eq!(course.ends, Duration::from_secs(7));
        assert!(matches!(course.outcome, Some(Outcome::Failure { cause: Cause::StepFailed, .. })));
        let last = course.facts.last().map(|(_, fact)| fact.clone());
        assert_eq!(last, Some(AttemptFact::StepEnded { step: 1, exit: 3 }));
    }

    #[test]
    fn attempts_and_flags_change_how_it_ends() {
        assert_eq!(go(&["attempt 1: vanish\nsleep 1"], 1, &[]).outcome, None);
        assert_eq!(go(&["attempt 1: vanish\nsleep 1"], 2, &[]).outcome, Some(Outcome::Success));
        assert_ne!(go(&["needs disk"], 1, &[]).outcome, Some(Outcome::Success));
        assert_eq!(go(&["needs disk"], 1, &["disk"]).outcome, Some(Outcome::Success));
    }

    #[test]
    fn an_unknown_command_is_no_success() {
        let plan = plan(&["dance".into()]).unwrap().open().unwrap();
        assert!(course(&plan, 1, &BTreeSet::new()).is_err());
    }
}
