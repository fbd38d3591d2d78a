//! What an evaluation changes: which builds it is made of, whether it is a new one, and what its errors say.

use ropewalk_model::ids::JobId;
use ropewalk_model::nix::{Found, FoundJob};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Bytes of the text of all errors of one evaluation. Each error has a limit of its own; there may be many.
pub const ERRORS_MAX: usize = 4 << 20;

/// A build of the previous evaluation that had new builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub build: JobId,
    /// Name of its job.
    pub job: String,
    /// [`identity`] of what it makes.
    pub makes: String,
    /// Its derivation.
    pub drv_path: String,
    /// It succeeded.
    pub is_done: bool,
}

/// A build of the evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// One of the previous evaluation.
    Known {
        /// Which.
        build: JobId,
        /// Its job's position among those found.
        position: usize,
        /// Another derivation makes the same path now.
        moved: bool,
        /// It moved and had not succeeded: the other derivation is tried.
        again: bool,
    },
    /// A new one.
    New {
        /// Its job's position among those found.
        position: usize,
    },
}

impl Member {
    /// Position of its job among those found.
    pub fn position(&self) -> usize {
        match self {
            Member::Known { position, .. } | Member::New { position } => *position,
        }
    }
}

/// What an evaluation changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Its builds, in the order of their jobs' names.
    pub members: Vec<Member>,
    /// It differs from the previous one: some build is new, or there are more or fewer. Otherwise it is kept without
    /// builds, and no list shows it.
    pub is_changed: bool,
    /// Positions in `members`: an aggregate, and what it consists of.
    pub constituents: Vec<(usize, usize)>,
    /// What could not be evaluated, for people; empty if all could.
    pub errors: String,
}

/// What makes a build the same as another one of its job: the path of its first output, or its derivation where
/// paths are not known before the build.
pub fn identity(job: &FoundJob) -> &str {
    job.outputs.values().next().filter(|path| !path.is_empty()).unwrap_or(&job.drv_path)
}

/// Compares what was found with the builds of the previous evaluation that had new builds; none if there was none.
pub fn decide(previous: Option<&[Known]>, found: &Found) -> Decision {
    let known: HashMap<(&str, &str), &Known> = previous
        .unwrap_or_default()
        .iter()
        .map(|known| ((known.job.as_str(), known.makes.as_str()), known))
        .collect();
    let (mut seen, mut members) = (BTreeSet::new(), Vec::new());
    for (position, job) in found.jobs.iter().enumerate() {
        let key = (job.name.as_str(), identity(job));
        if !seen.insert(key) {
            continue;
        }
        members.push(match known.get(&key) {
            Some(known) => {
                let moved = known.drv_path != job.drv_path;
                Member::Known { build: known.build, position, moved, again: moved && !known.is_done }
            }
            None => Member::New { position },
        });
    }
    let is_new = members.iter().any(|member| matches!(member, Member::New { .. }));
    let is_changed = is_new || previous.is_none_or(|previous| previous.len() != members.len());
    let constituents = constituents(found, &members);
    Decision { members, is_changed, constituents, errors: errors(found) }
}

fn constituents(found: &Found, members: &[Member]) -> Vec<(usize, usize)> {
    let job_of = |member: &Member| found.jobs.get(member.position());
    let by_name: BTreeMap<&str, usize> = members
        .iter()
        .enumerate()
        .filter_map(|(at, member)| job_of(member).map(|job| (job.name.as_str(), at)))
        .collect();
    let mut pairs = BTreeSet::new();
    for (aggregate, member) in members.iter().enumerate() {
        let names = job_of(member).and_then(|job| job.constituents.as_ref());
        for name in names.into_iter().flatten() {
            pairs.extend(by_name.get(name.as_str()).map(|part| (aggregate, *part)));
        }
    }
    pairs.into_iter().collect()
}

/// One text of all errors. What does not fit is counted.
fn errors(found: &Found) -> String {
    let mut text = String::new();
    for (at, (name, error)) in found.errors.iter().enumerate() {
        let place = match name.as_str() {
            "" => "at the top level:".to_string(),
            name => format!("in job ‘{name}’:"),
        };
        let entry = format!("{place}\n{}\n\n", error.trim_end());
        if text.len() + entry.len() > ERRORS_MAX {
            let left = found.errors.len() - at;
            text.push_str(&format!("{left} more errors are left out: correct these first\n"));
            break;
        }
        text.push_str(&entry);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn job(name: &str, out: &str) -> FoundJob {
        FoundJob {
            name: name.into(),
            drv_path: format!("/s/{out}.drv"),
            outputs: [("out".to_string(), format!("/s/{out}"))].into(),
            ..FoundJob::default()
        }
    }

    fn found(jobs: Vec<FoundJob>) -> Found {
        Found { jobs, ..Found::default() }
    }

    /// The builds of an evaluation as the next one sees them.
    fn kept(decision: &Decision, found: &Found, next: &mut i64) -> Vec<Known> {
        let known = |member: &Member| {
            let job = &found.jobs[member.position()];
            let build = match member {
                Member::Known { build, .. } => *build,
                Member::New { .. } => {
                    *next += 1;
                    JobId(*next)
                }
            };
            Known {
                build,
                job: job.name.clone(),
                makes: identity(job).into(),
                drv_path: job.drv_path.clone(),
                is_done: true,
            }
        };
        decision.members.iter().map(known).collect()
    }

    #[test]
    fn hydra_35_one_changed_job_is_one_new_build_and_the_others_are_shared() {
        let before = found(vec![job("a", "1"), job("b", "2"), job("c", "3")]);
        let mut next = 0;
        let known = kept(&decide(None, &before), &before, &mut next);
        let after = found(vec![job("a", "1"), job("b", "9"), job("c", "3")]);
        let decision = decide(Some(&known), &after);
        assert!(decision.is_changed);
        let shared = Member::Known { build: JobId(1), position: 0, moved: false, again: false };
        assert_eq!(decision.members[0], shared);
        assert_eq!(decision.members[1], Member::New { position: 1 });
        assert_eq!(decision.members.len(), 3);
    }

    #[test]
    fn hydra_34_the_same_again_is_no_new_evaluation_and_a_job_less_is_one() {
        let jobs = found(vec![job("a", "1"), job("b", "2")]);
        let known = kept(&decide(None, &jobs), &jobs, &mut 0);
        assert!(!decide(Some(&known), &jobs).is_changed);
        assert!(decide(Some(&known), &found(vec![job("a", "1")])).is_changed);
        assert!(decide(None, &found(vec![])).is_changed, "the first one counts although it is empty");
    }

    #[test]
    fn going_there_and_back_makes_a_third_build() {
        let (one, two) = (found(vec![job("a", "1")]), found(vec![job("a", "2")]));
        let mut next = 0;
        let first = kept(&decide(None, &one), &one, &mut next);
        let second = kept(&decide(Some(&first), &two), &two, &mut next);
        let third = kept(&decide(Some(&second), &one), &one, &mut next);
        assert_eq!(third[0].build, JobId(3));
    }

    #[test]
    fn a_path_that_another_derivation_makes_is_the_same_build() {
        let before = found(vec![job("a", "1")]);
        let mut known = kept(&decide(None, &before), &before, &mut 0);
        let moved = found(vec![FoundJob { drv_path: "/s/other.drv".into(), ..job("a", "1") }]);
        for is_done in [true, false] {
            known[0].is_done = is_done;
            let decision = decide(Some(&known), &moved);
            let member = Member::Known { build: JobId(1), position: 0, moved: true, again: !is_done };
            assert_eq!(decision.members, [member]);
            assert!(!decision.is_changed);
            let Member::Known { again, .. } = decide(Some(&known), &before).members[0] else { panic!() };
            assert!(!again, "nothing moved");
        }
    }

    #[test]
    fn hydra_32_errors_name_their_jobs_one_after_another() {
        let errors = vec![("x".into(), "went wrong\n".into()), (String::new(), "no set".into())];
        let text = decide(None, &Found { errors, ..Found::default() }).errors;
        assert_eq!(text, "in job ‘x’:\nwent wrong\n\nat the top level:\nno set\n\n");
        let many = (0..1000).map(|at| (format!("j{at}"), "e".repeat(16 << 10))).collect();
        let text = decide(None, &Found { errors: many, ..Found::default() }).errors;
        assert!(text.len() <= ERRORS_MAX + 100 && text.contains("more errors are left out"));
    }

    #[test]
    fn hydra_50_constituents_are_looked_up_among_the_builds() {
        let all =
            FoundJob { constituents: Some(vec!["b".into(), "gone".into(), "a".into()]), ..job("z", "3") };
        let decision = decide(None, &found(vec![job("a", "1"), job("b", "2"), all]));
        assert_eq!(decision.constituents, [(2, 0), (2, 1)]);
    }

    fn jobs() -> impl Strategy<Value = Found> {
        let set = prop::collection::btree_map("[a-e]", "[0-3]", 0..6);
        set.prop_map(|set| found(set.iter().map(|(name, out)| job(name, out)).collect()))
    }

    proptest! {
        #[test]
        fn a_chain_of_evaluations_reuses_exactly_what_the_one_before_had(chain in prop::collection::vec(jobs(), 1..8)) {
            let (mut previous, mut next): (Option<Vec<Known>>, i64) = (None, 0);
            for found in chain {
                let decision = decide(previous.as_deref(), &found);
                prop_assert_eq!(decision.members.len(), found.jobs.len());
                for member in &decision.members {
                    let job = &found.jobs[member.position()];
                    let had = previous.iter().flatten().find(|k| k.job == job.name && k.makes == identity(job));
                    match member {
                        Member::Known { build, .. } => prop_assert_eq!(Some(*build), had.map(|k| k.build)),
                        Member::New { .. } => prop_assert!(had.is_none()),
                    }
                }
                let now = kept(&decision, &found, &mut next);
                let builds = |known: &[Known]| known.iter().map(|k| k.build).collect::<BTreeSet<_>>();
                let same = previous.as_deref().map(builds) == Some(builds(&now));
                prop_assert_eq!(decision.is_changed, !same);
                if decision.is_changed {
                    previous = Some(now);
                }
            }
        }
    }
}
