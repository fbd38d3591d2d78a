//! Package builds that our own runners take where no agent comes.

use crate::arch::{World, world};
use crate::env::Env;
use ropewalk_core::port::{Arch, Finish, Lease, LogFilter, Native, Queue, RunnerRow, Window};
use ropewalk_model::link::{AttemptFact, Outcome, Report};
use ropewalk_model::status::JobStatus;
use ropewalk_model::work::{Labels, Requirement};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// How long agents alone may take a build.
const GRACE: Duration = MINUTE;
/// An agent that polled since then may come again.
const LIVE: Duration = Duration::from_secs(11 * 60);

impl World {
    async fn runner(&self, arch: &str) -> RunnerRow {
        let labels = Labels {
            kinds: ["sandbox".to_string()].into(),
            archs: [arch.to_string()].into(),
            ..Labels::default()
        };
        self.env.store.register("ours", &labels, 1).await.expect("a runner")
    }

    /// What each server does every second.
    async fn tend(&self) -> u64 {
        let (store, now, mut given) = (&self.env.store, self.now(), 0);
        for (arch, pool) in store.waiting_archs(now.minus(GRACE)).await.expect("archs") {
            let requirement = Requirement {
                kind: "sandbox".into(),
                arch: Some(arch.clone()),
                image: None,
                features: Default::default(),
            };
            let (due, polled) = (now.minus(GRACE), now.minus(LIVE));
            let native = Native { arch, pool, requirement, due, polled, attempts: 3, limit: 100 };
            given += store.go_native(native).await.expect("given");
        }
        store.end_native(100).await.expect("ended");
        store.close_builds(100).await.expect("closed");
        given
    }

    async fn lease(&self, runner: &RunnerRow) -> Vec<Lease> {
        self.env.store.lease_next(runner.id, 5, LIVE).await.expect("leases")
    }

    async fn logs(&self) -> usize {
        let window = Window { limit: 0, offset: 0 };
        self.farm.build_logs(&self.admin, &LogFilter::default(), window).await.expect("logs").len()
    }
}

pub async fn what_agents_leave_goes_to_a_runner_of_ours_and_back(env: Env) {
    let world = world(env).await;
    let runner = world.runner("x86_64").await;
    let id = world.target("").await;
    world.queue(id, "x86_64").await;
    world.queue(id, "riscv64").await;
    // An agent was here a moment ago: it may come again.
    world.env.clock.advance(GRACE * 2);
    assert_eq!(world.tend().await, 0);
    world.env.clock.advance(LIVE);
    assert_eq!(world.tend().await, 1, "no runner of ours is a riscv64");
    // What nobody has begun is an agent's again, and it alone has it then.
    assert_eq!(world.poll(5).await, [id]);
    assert!(world.lease(&runner).await.is_empty());
    world.queue(id, "x86_64").await;
    world.env.clock.advance(LIVE - MINUTE);
    assert_eq!(world.tend().await, 0, "an agent polled not long ago");
    world.env.clock.advance(MINUTE * 2);
    world.queue(id, "x86_64").await;
    assert_eq!(world.tend().await, 1, "the second one has not waited long enough");
    assert_eq!(world.lease(&runner).await.len(), 1);
    assert_eq!(world.poll(5).await, [id], "what our own has begun it keeps");
    world.is_sound().await;
}

pub async fn a_build_of_ours_leaves_a_log_and_its_schedule_goes_on(env: Env) {
    let world = world(env).await;
    let runner = world.runner("x86_64").await;
    world.env.clock.advance(LIVE);
    world.target("* *").await;
    for round in 1..=2 {
        // The next occurrence is queued by whoever looks, without any agent.
        world.env.clock.advance(MINUTE);
        world.farm.poll_builds(&world.admin, "riscv64", 0).await.expect("a look");
        world.env.clock.advance(GRACE);
        assert_eq!(world.tend().await, 1);
        let lease = world.lease(&runner).await.remove(0);
        // It runs: the schedule goes on.
        world.farm.poll_builds(&world.admin, "riscv64", 0).await.expect("a look");
        let (attempt, fence) = (lease.attempt, lease.fence);
        let facts = [AttemptFact::StepStarted { step: 0 }, AttemptFact::StepEnded { step: 0, exit: 0 }];
        for (number, fact) in (1..).zip(facts) {
            let report = Report { attempt, fence, number, at: world.now(), fact };
            world.env.store.record(&report).await.expect("recorded");
        }
        let logs = vec![world.log_of_a_step().await];
        let finish = Finish { attempt, fence, outcome: Outcome::Success, logs };
        world.env.store.finish(finish).await.expect("finished");
        world.tend().await;
        assert_eq!(world.logs().await, round);
        world.tend().await;
        assert_eq!(world.logs().await, round, "once");
    }
    assert_eq!(world.ends().await, [(JobStatus::Success, None); 2]);
    assert_eq!(world.env.store.waiting_archs(world.now()).await.expect("archs"), []);
    world.is_sound().await;
}
