//! Every named point of runner and supervisor: the process ends there, and nothing is lost or left.

use crate::bench::Bench;
use crate::farm::{Farm, plan_of};
use crate::leftovers::Leftovers;
use ropewalk_model::fault::{Point, VARIABLE};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{LogName, Outcome, RunValues};

type Test = fn(&Bench);

pub(crate) const TESTS: &[(&str, Test)] = &[("every_fault_point_is_survived", every_point)];

/// Points in the agent and in the supervisor.
const POINTS: [Point; 24] = [
    Point::SpoolBeforeCreate,
    Point::SpoolAfterCreate,
    Point::SpoolBeforeLaunch,
    Point::SpoolAfterLaunch,
    Point::SpoolBeforeRemove,
    Point::SpoolAfterRemove,
    Point::AgentBeforeReport,
    Point::AgentAfterReport,
    Point::AgentBeforeWrite,
    Point::AgentAfterWrite,
    Point::SupervisorBeforeWrite,
    Point::SupervisorAfterWrite,
    Point::SupervisorBeforeEvent,
    Point::SupervisorAfterEvent,
    Point::SupervisorBeforeLog,
    Point::SupervisorAfterLog,
    Point::SupervisorBeforeTime,
    Point::SupervisorAfterTime,
    Point::SupervisorBeforeOpen,
    Point::SupervisorAfterOpen,
    Point::SupervisorBeforeArtifact,
    Point::SupervisorAfterArtifact,
    Point::SupervisorBeforeEnd,
    Point::SupervisorAfterEnd,
];

/// Visits at which a point is tried, where a build passes it that often.
const VISITS: [u32; 3] = [1, 3, 7];

fn every_point(bench: &Bench) {
    let mut fired = 0;
    for point in POINTS {
        let mut times = 0;
        for visit in VISITS {
            times += u32::from(survives(bench, point, visit));
        }
        assert!(times > 0, "{point} was never passed");
        fired += times;
    }
    println!("{fired} ends at {} points", POINTS.len());
}

/// Runs a build with the point armed, and goes on without it. Answers whether the point was reached.
fn survives(bench: &Bench, point: Point, visit: u32) -> bool {
    let mut farm = Farm::new(bench);
    let mark = bench.mark();
    let manifest = format!(
        "artifacts: [file]\ntasks:\n- one: |\n    set +x\n    sleep {mark} &\n    seq 1 2000\n- two: |\n    set +x\n    echo hello >file\n    sudo true\n"
    );
    // The server offers a lost work again.
    farm.set("TEST_RETRY", "1");
    farm.set(VARIABLE, &format!("{point}:{visit}"));
    let first = farm.offer(&plan_of(&manifest, BuildLimits::default()), RunValues::default());
    farm.start_agent();
    farm.wait("the end of the armed agent or attempt", |farm| {
        farm.agent_died() || (farm.server.is_over(first) && !farm.has_spool(first))
    });
    if point == Point::SpoolAfterRemove && visit == 1 {
        farm.wait("the end of the armed agent", Farm::agent_died);
    }
    // A supervisor's end is a loss that is tried again; so is an agent's before its build began.
    let mut reached = farm.agent_died() || farm.server.is_lost(first);
    // The end was written: nobody can tell how its writer ended.
    reached |= point == Point::SupervisorAfterEnd && visit == 1;
    farm.kill_agent();
    farm.unset(VARIABLE);
    farm.start_agent();
    let last = farm.last(first);
    assert_eq!(farm.ended(last), Outcome::Success, "{point}:{visit}");
    let numbers: String = (1..=2000).map(|n| format!("{n}\n")).collect();
    let log = farm.server.log(last, LogName::Step(0));
    assert!(log == format!("+ set +x\n{numbers}").into_bytes(), "{point}:{visit}: {}", log.len());
    assert_eq!(farm.server.artifact(last, "file").as_deref(), Some(b"hello\n".as_slice()), "{point}:{visit}");
    for id in first..=last {
        Leftovers::assert_none(&mark, id);
    }
    farm.wait("the removal of all spools", |farm| farm.spools() == 0);
    farm.kill_agent();
    farm.clear();
    reached
}
