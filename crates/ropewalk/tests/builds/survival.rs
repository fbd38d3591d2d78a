//! Agents and supervisors that are killed.

use crate::bench::Bench;
use crate::farm::{Farm, cause, plan_of};
use crate::leftovers::{Child, Leftovers, children, supervisors};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, LogName, Outcome, RunValues, Verdict};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use rustix::process::{Signal, kill_process};
use std::time::{Duration, Instant};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("an_agent_forwards_facts_logs_and_files", forwards),
    ("an_agent_killed_in_mid_build_loses_no_byte", agent_killed),
    ("a_supervisor_killed_at_random_moments_leaves_nothing", supervisor_killed),
    ("a_cancelled_attempt_is_reported_when_nothing_is_left", cancelled),
    ("a_superseded_attempt_ends_without_a_word", superseded),
    ("a_silent_server_loses_nothing", silent_server),
    ("a_remote_agent_without_answers_stops_its_builds", lost_runner),
    ("a_cancel_ends_a_build_whose_supervisor_is_stopped", stopped_cancelled),
    ("a_deadline_ends_a_build_whose_supervisor_is_stopped", stopped_deadline),
    ("a_superseded_build_ends_though_its_supervisor_is_stopped", stopped_superseded),
    ("a_build_whose_router_is_killed_ends_and_says_so", router_killed),
    ("a_build_whose_network_helper_is_killed_ends_and_says_so", carrier_killed),
    ("a_machine_that_shuts_down_gives_its_builds_back", shut_down),
];

fn limits() -> BuildLimits {
    BuildLimits::default()
}

fn forwards(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let manifest = "artifacts: [out/file]\ntasks:\n- one: seq 1 100000\n- two: |\n    mkdir out\n    echo hello >out/file\n";
    let id = farm.offer(&plan_of(manifest, limits()), RunValues::default());
    farm.start_agent();
    assert_eq!(farm.ended(id), Outcome::Success);
    let facts = farm.server.facts(id);
    assert_eq!(facts[0], AttemptFact::Started);
    let steps: Vec<_> = facts
        .iter()
        .filter(|f| matches!(f, AttemptFact::StepStarted { .. } | AttemptFact::StepEnded { .. }))
        .cloned()
        .collect();
    let started = |step| AttemptFact::StepStarted { step };
    let ended = |step| AttemptFact::StepEnded { step, exit: 0 };
    assert_eq!(steps, [started(0), ended(0), started(1), ended(1)]);
    assert!(facts.iter().any(|f| matches!(f, AttemptFact::Resolved { key, .. } if key == "image.digest")));
    let numbers: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    assert!(farm.server.log(id, LogName::Step(0)) == format!("+ seq 1 100000\n{numbers}").into_bytes());
    let setup = String::from_utf8(farm.server.log(id, LogName::Setup)).unwrap();
    assert!(setup.starts_with("[#7] 20") && setup.contains("Running build on test-runner"), "{setup}");
    assert_eq!(farm.server.artifact(id, "file").unwrap(), b"hello\n");
    assert_eq!(farm.spools(), 0);
}

fn agent_killed(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let manifest =
        "tasks:\n- count: |\n    set +x\n    for i in $(seq 1 300); do echo \"line $i\"; sleep 0.005; done\n";
    let id = farm.offer(&plan_of(manifest, limits()), RunValues::default());
    farm.start_agent();
    let mut kills = 0;
    while farm.server.outcome(id).is_none() {
        std::thread::sleep(Duration::from_millis(20 + 37 * (kills % 7)));
        // The run-time values of a build that has not begun die with the agent.
        if kills > 0 || farm.server.facts(id).contains(&AttemptFact::StepStarted { step: 0 }) {
            farm.kill_agent();
            farm.start_agent();
            kills += 1;
        }
    }
    assert_eq!(farm.ended(id), Outcome::Success);
    assert!(kills >= 5, "only {kills}");
    let lines: String = (1..=300).map(|n| format!("line {n}\n")).collect();
    let log = String::from_utf8(farm.server.log(id, LogName::Step(0))).unwrap();
    let expected = format!("+ set +x\n{lines}");
    assert!(log == expected, "after {kills} kills the log is:\n{log}");
}

fn supervisor_killed(bench: &Bench) {
    let mut farm = Farm::new(bench);
    farm.start_agent();
    let mut ends = std::collections::BTreeMap::new();
    for round in 0_u64..100 {
        let mark = bench.mark();
        let manifest = format!(
            "tasks:\n- one: |\n    setsid sleep {mark} &\n    sudo sleep {mark} &\n    (trap '' TERM; sleep {mark}) &\n    sleep {mark}\n"
        );
        let id = farm.offer(&plan_of(&manifest, limits()), RunValues::default());
        let folder = bench.folder.clone();
        farm.wait("a supervisor", |_| !supervisors(&folder, id).is_empty());
        // From its very start to the running step.
        std::thread::sleep(Duration::from_micros(round * round * 12 % 120_000));
        for pid in supervisors(&folder, id) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let outcome = farm.ended(id);
        // What lives when the end is reported is a lie, however short.
        Leftovers::assert_none(&mark, id);
        let cause = cause(&outcome);
        assert_eq!(cause, Some(Cause::RunnerLost), "{outcome:?}");
        let begun = farm.server.facts(id).len();
        *ends.entry(begun).or_insert(0) += 1;
    }
    // Otherwise the moments were not random at all.
    assert!(ends.len() >= 3, "all were killed in the same phases: {ends:?}");
    assert_eq!(farm.spools(), 0);
}

fn cancelled(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let manifest =
        format!("tasks:\n- one: |\n    setsid sleep {mark} &\n    sudo sleep {mark}\n- two: echo never\n");
    let id = farm.offer(&plan_of(&manifest, limits()), RunValues::default());
    farm.start_agent();
    farm.wait("both sleepers", |_| Leftovers::marked(&mark) >= 2);
    let asked = Instant::now();
    farm.server.decide(id, &Verdict::Cancel { cause: Cause::Cancelled, until: Time(0) });
    let outcome = farm.ended(id);
    Leftovers::assert_none(&mark, id);
    assert_eq!(cause(&outcome), Some(Cause::Cancelled));
    assert!(asked.elapsed() < Duration::from_secs(5));
    let facts = farm.server.facts(id);
    let ended = facts.iter().position(|f| *f == AttemptFact::StepEnded { step: 0, exit: 137 });
    assert_eq!(ended, Some(facts.len() - 2), "{facts:?}");
}

fn superseded(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let manifest = format!("tasks:\n- one: sleep {mark}\n");
    let id = farm.offer(&plan_of(&manifest, limits()), RunValues::default());
    farm.start_agent();
    farm.wait("the sleeper", |_| Leftovers::marked(&mark) >= 1);
    farm.server.decide(id, &Verdict::Superseded);
    farm.wait("the removal of its spool", |farm| !farm.has_spool(id));
    Leftovers::assert_none(&mark, id);
    assert_eq!(farm.server.outcome(id), None);
}

fn silent_server(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let id = farm.offer(
        &plan_of("tasks:\n- one: |\n    echo a\n    sleep 1\n    echo b\n", limits()),
        RunValues::default(),
    );
    farm.start_agent();
    farm.wait("the step", |farm| farm.server.facts(id).contains(&AttemptFact::StepStarted { step: 0 }));
    farm.server.silence(true);
    // It goes on meanwhile.
    let log = bench.folder.join(format!("spools/{id}-{id}/logs/step-0.log"));
    farm.wait("the end of the step", |_| {
        std::fs::read_to_string(&log).is_ok_and(|log| log.ends_with("\nb\n"))
    });
    assert_eq!(farm.server.outcome(id), None);
    farm.kill_agent();
    farm.start_agent();
    farm.server.silence(false);
    assert_eq!(farm.ended(id), Outcome::Success);
    assert_eq!(farm.server.log(id, LogName::Step(0)), b"+ echo a\na\n+ sleep 1\n+ echo b\nb\n");
}

fn lost_runner(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let id = farm.offer(&plan_of(&format!("tasks:\n- one: sleep {mark}\n"), limits()), RunValues::default());
    // The margin is 30 s and renewals come every 10 s: the first one that fails is one too many.
    farm.set("TEST_LOST_AFTER", "45");
    farm.start_agent();
    farm.wait("the sleeper", |_| Leftovers::marked(&mark) == 1);
    farm.server.silence(true);
    farm.wait("the end of the build", |_| Leftovers::marked(&mark) == 0);
    assert_eq!(farm.server.outcome(id), None);
    farm.server.silence(false);
    assert_eq!(cause(&farm.ended(id)), Some(Cause::RunnerLost));
}

fn shut_down(bench: &Bench) {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let id = farm.offer(&plan_of(&format!("tasks:\n- one: sleep {mark}\n"), limits()), RunValues::default());
    farm.start_agent();
    farm.wait("the sleeper", |_| Leftovers::marked(&mark) == 1);
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::TERM).unwrap();
    }
    let outcome = farm.ended(id);
    Leftovers::assert_none(&mark, id);
    assert_eq!(cause(&outcome), Some(Cause::RunnerLost));
    assert!(format!("{outcome:?}").contains("shut down"), "{outcome:?}");
}

/// A build with sleepers of all kinds whose supervisor is stopped.
fn stopped<'a>(bench: &'a Bench, mark: &str, limits: BuildLimits) -> (Farm<'a>, i64) {
    let mut farm = Farm::new(bench);
    let manifest = format!(
        "tasks:\n- one: |\n    setsid sleep {mark} &\n    (trap '' TERM; sleep {mark}) &\n    sudo sleep {mark}\n"
    );
    let id = farm.offer(&plan_of(&manifest, limits), RunValues::default());
    farm.set("TEST_GRACE", "1");
    farm.start_agent();
    farm.wait("the sleepers", |_| Leftovers::marked(mark) >= 3);
    for pid in supervisors(&bench.folder, id) {
        kill_process(pid, Signal::STOP).unwrap();
    }
    (farm, id)
}

fn assert_killed(farm: &mut Farm<'_>, mark: &str, id: i64, cause_of: Cause, words: &str) {
    let outcome = farm.ended(id);
    Leftovers::assert_none(mark, id);
    assert_eq!(cause(&outcome), Some(cause_of), "{outcome:?}");
    let message = format!("{outcome:?}");
    assert!(message.contains(words) && message.contains("was killed"), "{message}");
    let setup = String::from_utf8(farm.server.log(id, LogName::Setup)).unwrap();
    assert!(setup.lines().last().unwrap().contains(words), "{setup}");
}

fn stopped_cancelled(bench: &Bench) {
    let mark = bench.mark();
    let (mut farm, id) = stopped(bench, &mark, limits());
    farm.server.decide(id, &Verdict::Cancel { cause: Cause::Cancelled, until: Time(0) });
    assert_killed(&mut farm, &mark, id, Cause::Cancelled, "the build was cancelled");
    farm.kill_agent();
    // Adopted by an agent that did not start it.
    let mark = bench.mark();
    let (mut farm, id) = stopped(bench, &mark, limits());
    farm.kill_agent();
    farm.server.decide(id, &Verdict::Cancel { cause: Cause::Cancelled, until: Time(0) });
    farm.start_agent();
    assert_killed(&mut farm, &mark, id, Cause::Cancelled, "the build was cancelled");
}

/// Moves the deadline of a stopped supervisor into the past, in one step as the supervisor itself notes it.
fn pass_deadline(bench: &Bench, id: i64) {
    let path = bench.folder.join(format!("spools/{id}-{id}/supervisor.json"));
    let mut note: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(note["deadline"].is_u64(), "{note}");
    note["deadline"] = 0.into();
    let new = path.with_extension("new");
    std::fs::write(&new, note.to_string()).unwrap();
    std::fs::rename(&new, &path).unwrap();
}

fn stopped_deadline(bench: &Bench) {
    let mark = bench.mark();
    // The agent that began it reads its deadline once: long enough for the sleepers to be seen on a slow machine.
    let (mut farm, id) = stopped(bench, &mark, BuildLimits { build_time: 25, ..limits() });
    assert_killed(&mut farm, &mark, id, Cause::Timeout, "limits.build-time");
    // One agent a folder: the next could not begin beside it.
    farm.kill_agent();
    // The time runs on while no agent looks.
    let mark = bench.mark();
    let (mut farm, id) = stopped(bench, &mark, limits());
    farm.kill_agent();
    pass_deadline(bench, id);
    farm.start_agent();
    assert_killed(&mut farm, &mark, id, Cause::Timeout, "limits.build-time");
}

fn stopped_superseded(bench: &Bench) {
    let mark = bench.mark();
    let (mut farm, id) = stopped(bench, &mark, limits());
    farm.server.decide(id, &Verdict::Superseded);
    farm.wait("the removal of its spool", |farm| !farm.has_spool(id));
    Leftovers::assert_none(&mark, id);
    assert_eq!(farm.server.outcome(id), None);
}

/// Kills one of the supervisor's children in mid-build.
fn network_lost(bench: &Bench, named: &str, is_victim: impl Fn(&Child) -> bool) {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let manifest = format!("tasks:\n- one: sleep {mark}\n- two: echo never\n");
    let id = farm.offer(&plan_of(&manifest, limits()), RunValues::default());
    farm.set("TEST_NAT", "1");
    farm.start_agent();
    farm.wait("the sleeper", |_| Leftovers::marked(&mark) == 1);
    let supervisor = supervisors(&bench.folder, id)[0];
    let victims: Vec<Child> = children(supervisor).into_iter().filter(is_victim).collect();
    assert_eq!(victims.len(), 1, "{:?}", children(supervisor));
    kill_process(victims[0].pid, Signal::KILL).unwrap();
    let outcome = farm.ended(id);
    Leftovers::assert_none(&mark, id);
    assert_eq!(cause(&outcome), Some(Cause::Infrastructure), "{outcome:?}");
    let says = format!("the network of the build is lost: {named} was ended by signal 9");
    assert!(format!("{outcome:?}").contains(&says), "{outcome:?}");
    let setup = String::from_utf8(farm.server.log(id, LogName::Setup)).unwrap();
    assert!(setup.contains(&format!("Error: {says}")), "{setup}");
    assert!(!farm.server.facts(id).contains(&AttemptFact::StepStarted { step: 1 }));
}

fn router_killed(bench: &Bench) {
    network_lost(bench, "slirp4netns", |child| child.name == "slirp4netns");
}

/// The only child that is this very program and not in a pid namespace of its own.
fn carrier_killed(bench: &Bench) {
    let named = "the process that carries its frames";
    network_lost(bench, named, |child| child.name == "ropewalk" && child.is_in_our_pid_namespace());
}
