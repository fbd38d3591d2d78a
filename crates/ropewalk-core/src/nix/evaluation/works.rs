//! The works that new builds need: one for each derivation that is not there yet, in the order in which they need
//! each other.

use crate::port::{Loss, NewWork, WorkRef};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::Outcome;
use ropewalk_model::nix::{Derivation, Found, FoundJob, KIND, NixTask, Realise};
use ropewalk_model::plan::{Plan, PlanError};
use ropewalk_model::status::Cause;
use ropewalk_model::work::Requirement;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Features that a derivation may require, its system among them.
const FEATURES_MAX: usize = 16;
/// Characters of one of them.
const FEATURE_MAX: usize = 64;

/// What all works of an evaluation have in common.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The feature of runners whose store has the derivations, where they said so.
    pub store: Option<String>,
    /// Who pays, and its weight.
    pub share_group: (String, i32),
    /// That the build of a derivation may take.
    pub timeout: Seconds,
    /// Without output.
    pub max_silent: Seconds,
    /// Bytes of all outputs of a derivation; none means no limit.
    pub max_output: Option<u64>,
    /// Priority of a job that names none.
    pub priority: i32,
    /// Tries at one work; only lost ones are tried again.
    pub attempts: u32,
    /// What else a build may use.
    pub limits: BuildLimits,
}

/// Seconds that jobs ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seconds {
    /// Where none does.
    pub default: u64,
    /// That jobs can ask for.
    pub most: u64,
}

impl Seconds {
    /// For a derivation whose jobs ask for this; none of them gets less than it would without a word.
    fn of(self, asked: Option<u64>) -> u64 {
        asked.map_or(self.default, |seconds| seconds.min(self.most.max(self.default)))
    }
}

/// Why no works can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorksError {
    /// The evaluation contradicts itself.
    #[error(
        "the evaluator names the derivation {0} and does not describe it, or it needs itself: evaluate again"
    )]
    Inconsistent(String),
    /// A plan that cannot be written.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Works in an order in which each needs earlier ones only, and their positions by derivation.
#[derive(Debug, Default)]
pub(super) struct Works {
    /// To be submitted.
    pub works: Vec<NewWork>,
    /// By path of the derivation.
    pub positions: HashMap<String, usize>,
}

/// What jobs ask for the build of a derivation.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    priority: Option<i32>,
    timeout: Option<u64>,
    max_silent: Option<u64>,
}

/// Works for these jobs. `failed`: derivations whose failure is remembered.
pub(super) fn works<'a>(
    found: &Found,
    jobs: impl IntoIterator<Item = &'a FoundJob>,
    failed: &BTreeSet<String>,
    terms: &Terms,
) -> Result<Works, WorksError> {
    let mut wishes = BTreeMap::<&str, Wish>::new();
    for job in jobs {
        let wish = wishes.entry(&job.drv_path).or_default();
        wish.priority = wish.priority.max(Some(job.priority.unwrap_or(terms.priority)));
        // To the programs on the way 0 is no time, or time without end.
        wish.timeout = wish.timeout.max(job.timeout.filter(|seconds| *seconds > 0));
        wish.max_silent = wish.max_silent.max(job.max_silent.filter(|seconds| *seconds > 0));
    }
    let order = order(found, wishes.keys().copied(), failed)?;
    inherit_priorities(found, &order, &mut wishes);
    let mut works = Works::default();
    for path in order {
        let derivation = described(found, path)?;
        let wish = wishes.get(path).copied().unwrap_or_default();
        let work = work(path, derivation, failed.contains(path), wish, &works.positions, terms)?;
        works.positions.insert(path.to_owned(), works.works.len());
        works.works.push(work);
    }
    Ok(works)
}

fn described<'a>(found: &'a Found, path: &str) -> Result<&'a Derivation, WorksError> {
    found.derivations.get(path).ok_or_else(|| WorksError::Inconsistent(path.to_owned()))
}

/// Derivations whose inputs matter: what is there, or will not be tried, needs nothing.
fn needs<'a>(derivation: &'a Derivation, path: &str, failed: &BTreeSet<String>) -> &'a [String] {
    match derivation.realised.is_some() || failed.contains(path) || !is_supportable(derivation) {
        true => &[],
        false => &derivation.needs,
    }
}

/// What these derivations need, and they themselves: depth first, needed ones before those that need them.
fn order<'a>(
    found: &'a Found,
    roots: impl Iterator<Item = &'a str>,
    failed: &BTreeSet<String>,
) -> Result<Vec<&'a str>, WorksError> {
    let (mut order, mut done, mut open) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for root in roots {
        // Without recursion: graphs may be thousands of derivations deep.
        let mut path = vec![(root, 0)];
        while let Some((at, next)) = path.pop() {
            if next == 0 {
                if done.contains(at) {
                    continue;
                }
                if !open.insert(at) {
                    return Err(WorksError::Inconsistent(at.to_owned()));
                }
            }
            match needs(described(found, at)?, at, failed).get(next) {
                Some(needed) => {
                    path.push((at, next + 1));
                    if !is_there(found, needed) {
                        path.push((needed, 0));
                    }
                }
                None => {
                    open.remove(at);
                    done.insert(at);
                    order.push(at);
                }
            }
        }
    }
    Ok(order)
}

fn is_there(found: &Found, path: &str) -> bool {
    found.derivations.get(path).is_some_and(|derivation| derivation.realised.is_some())
}

/// What an important job needs is as important.
fn inherit_priorities<'a>(found: &'a Found, order: &[&'a str], wishes: &mut BTreeMap<&'a str, Wish>) {
    for path in order.iter().rev() {
        let priority = wishes.get(path).and_then(|wish| wish.priority);
        for needed in found.derivations.get(*path).into_iter().flat_map(|derivation| &derivation.needs) {
            let wish = wishes.entry(needed).or_default();
            wish.priority = wish.priority.max(priority);
        }
    }
}

fn work(
    path: &str,
    derivation: &Derivation,
    has_failed: bool,
    wish: Wish,
    positions: &HashMap<String, usize>,
    terms: &Terms,
) -> Result<NewWork, WorksError> {
    let ended = ended(derivation, path, has_failed);
    let needs = match ended {
        Some(_) => vec![],
        None => derivation
            .needs
            .iter()
            .filter_map(|path| positions.get(path))
            .copied()
            .map(WorkRef::New)
            .collect(),
    };
    Ok(NewWork {
        key: Some(path.to_owned()),
        plan: plan(path, derivation, wish, terms).seal()?,
        requirement: requirement(derivation, terms.store.as_ref()),
        share_group: terms.share_group.clone(),
        priority: wish.priority.unwrap_or(terms.priority),
        not_before: None,
        needs,
        loss: Loss { attempts: terms.attempts.max(1), cause: Cause::RunnerLost },
        ended,
    })
}

/// How it ended before it was needed.
fn ended(derivation: &Derivation, path: &str, has_failed: bool) -> Option<Outcome> {
    if derivation.realised.is_some() {
        return Some(Outcome::Success);
    }
    if !is_supportable(derivation) {
        let message = format!(
            "{path} requires a system or features that no machine can have: at most {FEATURES_MAX} words of letters, \
             digits and . _ + - are possible"
        );
        return Some(Outcome::Failure { cause: Cause::UnsupportedSystem, message });
    }
    has_failed.then(|| Outcome::Failure {
        cause: Cause::CachedFailure,
        message: format!("{path} failed before: restart a build that needs it to try again"),
    })
}

/// Words of an attacker become labels that runners are compared with: few and plain ones only.
fn is_supportable(derivation: &Derivation) -> bool {
    derivation.features.len() < FEATURES_MAX
        && is_word(&derivation.system)
        && derivation.features.iter().all(|feature| is_word(feature))
}

/// Whether a text can be a label.
pub(super) fn is_word(word: &str) -> bool {
    (1..=FEATURE_MAX).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}

fn requirement(derivation: &Derivation, store: Option<&String>) -> Requirement {
    match is_supportable(derivation) {
        true => {
            let mut requirement = derivation.requirement();
            requirement.features.extend(store.cloned());
            requirement
        }
        false => Requirement { kind: KIND.into(), arch: None, image: None, features: BTreeSet::new() },
    }
}

fn plan(path: &str, derivation: &Derivation, wish: Wish, terms: &Terms) -> Plan {
    let timeout = terms.timeout.of(wish.timeout);
    let realise = Realise {
        drv_path: path.to_owned(),
        outputs: derivation.outputs.clone(),
        timeout: Some(timeout),
        max_silent: terms.max_silent.of(wish.max_silent),
        max_output: terms.max_output,
    };
    let limits = BuildLimits { build_time: timeout, ..terms.limits.clone() };
    Plan::of_nix(NixTask::Realise(realise), limits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use ropewalk_model::nix::Realised;

    fn terms() -> Terms {
        Terms {
            store: None,
            share_group: ("jobset:p/j".into(), 1),
            timeout: Seconds { default: 36_000, most: 100_000 },
            max_silent: Seconds { default: 3600, most: 10_000 },
            max_output: None,
            priority: 100,
            attempts: 3,
            limits: BuildLimits::default(),
        }
    }

    fn derivation(needs: &[&str]) -> Derivation {
        let needs = needs.iter().map(ToString::to_string).collect();
        Derivation { system: "x86_64-linux".into(), needs, ..Derivation::default() }
    }

    fn found(derivations: &[(&str, Derivation)]) -> Found {
        let derivations = derivations.iter().map(|(path, d)| (path.to_string(), d.clone())).collect();
        Found { derivations, ..Found::default() }
    }

    fn job(drv: &str) -> FoundJob {
        FoundJob { drv_path: drv.into(), ..FoundJob::default() }
    }

    fn make(found: &Found, jobs: &[FoundJob], failed: &[&str]) -> Result<Works, WorksError> {
        works(found, jobs, &failed.iter().map(ToString::to_string).collect(), &terms())
    }

    #[test]
    fn what_several_jobs_need_is_one_work_and_as_important_as_the_most_important() {
        let found = found(&[("a", derivation(&["c"])), ("b", derivation(&["c"])), ("c", derivation(&[]))]);
        let jobs = [FoundJob { priority: Some(7), ..job("a") }, FoundJob { priority: Some(200), ..job("b") }];
        let works = make(&found, &jobs, &[]).unwrap();
        assert_eq!(works.works.len(), 3);
        let of = |path: &str| &works.works[works.positions[path]];
        assert_eq!((of("a").priority, of("b").priority, of("c").priority), (7, 200, 200));
        assert_eq!(of("a").needs, [WorkRef::New(works.positions["c"])]);
        assert_eq!(of("c").requirement.class(), "nix * * x86_64-linux");
    }

    #[test]
    fn a_job_asks_for_no_more_time_than_an_administrator_gives() {
        let found = found(&[("a", derivation(&[]))]);
        let times = |timeout, max_silent| {
            let works = make(&found, &[FoundJob { timeout, max_silent, ..job("a") }], &[]).unwrap();
            let plan = works.works[0].plan.open().unwrap();
            let Some(NixTask::Realise(realise)) = plan.nix else { panic!() };
            assert_eq!(realise.timeout, Some(plan.limits.build_time));
            (plan.limits.build_time, realise.max_silent)
        };
        assert_eq!(times(None, None), (36_000, 3600));
        assert_eq!(times(Some(60), Some(7)), (60, 7));
        assert_eq!(times(Some(u64::MAX), Some(u64::MAX)), (100_000, 10_000));
        assert_eq!(times(Some(0), Some(0)), (36_000, 3600));
    }

    #[test]
    fn what_is_there_and_what_failed_before_ends_at_once_and_needs_nothing() {
        let there = Derivation { realised: Some(Realised::default()), ..derivation(&["x"]) };
        let found = found(&[
            ("a", derivation(&["b", "f"])),
            ("b", there),
            ("f", derivation(&["x"])),
            ("x", derivation(&[])),
        ]);
        let works = make(&found, &[job("a"), job("b")], &["f"]).unwrap();
        assert!(!works.positions.contains_key("x"));
        let of = |path: &str| &works.works[works.positions[path]];
        assert_eq!(of("b").ended, Some(Outcome::Success));
        let cause = |path: &str| match &of(path).ended {
            Some(Outcome::Failure { cause, .. }) => Some(*cause),
            _ => None,
        };
        assert_eq!((cause("f"), cause("a")), (Some(Cause::CachedFailure), None));
        assert!(of("f").needs.is_empty());
    }

    #[test]
    fn words_that_are_no_labels_are_no_system() {
        let many = (0..FEATURES_MAX).map(|at| at.to_string()).collect();
        let bad = [
            Derivation { system: "x86_64 linux".into(), ..derivation(&[]) },
            Derivation { system: String::new(), ..derivation(&[]) },
            Derivation { features: vec!["a,b".into()], ..derivation(&[]) },
            Derivation { features: vec!["f".repeat(65)], ..derivation(&[]) },
            Derivation { features: many, ..derivation(&[]) },
        ];
        for derivation in bad {
            let works = make(&found(&[("a", derivation)]), &[job("a")], &[]).unwrap();
            let cause = Cause::UnsupportedSystem;
            assert!(matches!(&works.works[0].ended, Some(Outcome::Failure { cause: c, .. }) if *c == cause));
            assert_eq!(works.works[0].requirement.class(), "nix * * ");
        }
    }

    #[test]
    fn only_a_runner_whose_store_has_it_builds_a_derivation() {
        let found = found(&[("a", derivation(&[]))]);
        let terms = Terms { store: Some("store-1f".into()), ..terms() };
        let works = works(&found, &[job("a")], &BTreeSet::new(), &terms).unwrap();
        assert_eq!(works.works[0].requirement.class(), "nix * * store-1f,x86_64-linux");
    }

    #[test]
    fn a_circle_and_what_nobody_describes_are_refused() {
        let circle = found(&[("a", derivation(&["b"])), ("b", derivation(&["a"]))]);
        assert!(matches!(make(&circle, &[job("a")], &[]), Err(WorksError::Inconsistent(_))));
        assert!(matches!(make(&found(&[]), &[job("a")], &[]), Err(WorksError::Inconsistent(_))));
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_is_no_problem() {
        let name = |at: usize| format!("{at:06}");
        let mut all = Found::default();
        for at in 0..100_000 {
            let needs: Vec<String> = (at > 0).then(|| name(at - 1)).into_iter().collect();
            all.derivations.insert(name(at), Derivation { needs, ..derivation(&[]) });
        }
        let order = order(&all, ["099999"].into_iter(), &BTreeSet::new()).unwrap();
        assert_eq!((order.len(), order[0]), (100_000, "000000"));
    }

    proptest! {
        #[test]
        fn each_work_needs_earlier_ones_only(edges in prop::collection::vec((0_usize..12, 0_usize..12), 0..40)) {
            let name = |at: usize| format!("d{at:02}");
            let mut all = Found::default();
            for at in 0..12 {
                let needs = edges.iter().filter(|(from, to)| *from == at && to < from).map(|(_, to)| name(*to));
                let needs: BTreeSet<String> = needs.collect();
                all.derivations.insert(name(at), Derivation { needs: needs.into_iter().collect(), ..derivation(&[]) });
            }
            let works = make(&all, &[job("d11"), job("d10")], &[]).unwrap();
            for (at, work) in works.works.iter().enumerate() {
                for need in &work.needs {
                    prop_assert!(matches!(need, WorkRef::New(before) if *before < at));
                }
                let path = work.key.clone().unwrap();
                prop_assert_eq!(work.needs.len(), all.derivations[&path].needs.len());
            }
        }
    }
}
