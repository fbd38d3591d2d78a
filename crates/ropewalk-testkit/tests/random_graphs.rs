//! Graphs, failures, cancels, restarts and lost runners thrown by dice: what must hold in every scenario holds.
//!
//! Each graph has a seed, which is printed when it fails; `ROPEWALK_SEED=N` runs that one alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ropewalk_model::job::JobKind;
use ropewalk_model::status::Cause;
use ropewalk_store::SqlStore;
use ropewalk_testkit::clock::FakeClock;
use ropewalk_testkit::postgres::TestDatabase;
use ropewalk_testkit::scenario::{
    self, Act, JobSpec, RunnerSpec, Scenario, Share, SubmitSpec, TimedAct, Trouble, WorkSpec,
};
use std::sync::Arc;

/// Dice with a memory of one number: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 up to `n`, which it never reaches.
    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn in_a_hundred(&mut self, n: u64) -> bool {
        self.below(100) < n
    }
}

/// How a work goes. Sooner or later it succeeds or fails by itself, so that no job has a reason to wait for ever.
fn script(dice: &mut Dice) -> String {
    let sleep = format!("sleep {}", 1 + dice.below(400));
    match dice.below(10) {
        0 => format!("{sleep}\nexit 1"),
        1 => format!("{sleep}\nneeds mended"),
        2 => format!("{sleep}\nattempt 1: vanish\nsleep 3"),
        3 => format!("{sleep}\nattempt {}: vanish", 1 + dice.below(3)),
        4 if dice.in_a_hundred(30) => format!("{sleep}\nvanish"),
        5 if dice.in_a_hundred(30) => format!("{sleep}\nfail timeout"),
        _ => sleep,
    }
}

fn submission(dice: &mut Dice, number: u64, works: u64, jobs: &mut Vec<String>) -> SubmitSpec {
    let mut specs: Vec<WorkSpec> = Vec::new();
    for at in 0..works {
        // A shared name means the same work in all submissions, so what it needs and does must not depend on luck.
        let shared = dice.in_a_hundred(60);
        let name = if shared { format!("shared{at}") } else { format!("own{number}.{at}") };
        let mut own = Dice(if shared { at } else { dice.roll() });
        let needs = specs
            .iter()
            .filter(|below| (!shared || below.shared) && own.in_a_hundred(35))
            .map(|below| below.name.clone())
            .collect();
        specs.push(WorkSpec {
            name,
            shared,
            needs,
            share: Share { group: format!("g{}", own.below(3)), shares: 1 + own.below(3) as i32 },
            kind: if own.in_a_hundred(80) { "sandbox".into() } else { "nix".into() },
            priority: own.below(3) as i32,
            after: own.in_a_hundred(10).then(|| own.below(2000)),
            steps: vec![script(&mut own)],
            attempts: 1 + own.below(3) as u32,
            lost: if own.in_a_hundred(70) { Cause::RunnerLost } else { Cause::NoReport },
        });
    }
    let mut specs_of_jobs = Vec::new();
    for at in 0..1 + dice.below(4) {
        let name = format!("j{number}.{at}");
        jobs.push(name.clone());
        specs_of_jobs.push(JobSpec {
            name,
            kind: JobKind::HydraBuild,
            owner: ["mary", "john"][dice.below(2) as usize].into(),
            root: specs[dice.below(specs.len() as u64) as usize].name.clone(),
            execute: dice.in_a_hundred(80),
            triggers: vec![],
        });
    }
    SubmitSpec { repeat: None, works: specs, jobs: specs_of_jobs }
}

fn throw(seed: u64) -> Scenario {
    let mut dice = Dice(seed);
    let mut timeline = Vec::new();
    let mut jobs = Vec::new();
    for number in 0..2 + dice.below(4) {
        let works = 2 + dice.below(9);
        let act = Act::Submit(submission(&mut dice, number, works, &mut jobs));
        // The later ones find works of the earlier ones running, cancelled or made anew.
        timeline.push(TimedAct { at: number * dice.below(2500), act });
    }
    for _ in 0..dice.below(20) {
        let job = jobs[dice.below(jobs.len() as u64) as usize].clone();
        let act = match dice.below(6) {
            0 | 1 => Act::Restart(job),
            2 | 3 => Act::Cancel(job),
            4 => Act::Bump(job),
            _ => Act::Set("mended".into()),
        };
        timeline.push(TimedAct { at: dice.below(12_000), act });
    }
    // Whatever was held back is started in the end.
    for job in &jobs {
        timeline.push(TimedAct { at: 15_500, act: Act::Start(job.clone()) });
    }
    let runner = |name: &str, kind: &str, count: u64| RunnerSpec {
        name: name.into(),
        count,
        slots: 2,
        kind: kind.into(),
        reports: true,
        vanishes: false,
    };
    let ghost = RunnerSpec { vanishes: true, slots: 1, ..runner("ghost", "sandbox", dice.below(2)) };
    Scenario {
        about: format!("thrown by dice from {seed}"),
        lease: 600,
        until: None,
        audit_every: 1,
        lenient: true,
        runners: vec![ghost, runner("s", "sandbox", 1 + dice.below(2)), runner("n", "nix", 1)],
        timeline,
    }
}

async fn holds(seed: u64, url: &str) -> Result<(), Trouble> {
    let clock = Arc::new(FakeClock::default());
    let store = SqlStore::open(url, clock.clone()).await.expect("a store");
    let world = scenario::run(&throw(seed), store.clone(), clock).await?;
    world.nobody_waits().await?;
    world.events_tell_a_story().await?;
    store.database().close().await;
    Ok(())
}

/// The seeds from `from` on, or the one that was asked for.
fn seeds(from: u64, n: u64) -> Vec<u64> {
    match std::env::var("ROPEWALK_SEED") {
        Ok(seed) => vec![seed.parse().expect("ROPEWALK_SEED is a number")],
        Err(_) => (from..from + n).collect(),
    }
}

async fn on_sqlite(from: u64) {
    for seed in seeds(from, 50) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("ropewalk.db").display());
        holds(seed, &url).await.unwrap_or_else(|trouble| panic!("ROPEWALK_SEED={seed}: {trouble}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_graphs_1_to_50_hold_on_sqlite() {
    on_sqlite(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_graphs_51_to_100_hold_on_sqlite() {
    on_sqlite(51).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_graphs_101_to_150_hold_on_sqlite() {
    on_sqlite(101).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_graphs_151_to_200_hold_on_sqlite() {
    on_sqlite(151).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_graphs_201_to_212_hold_on_postgres() {
    for seed in seeds(201, 12) {
        let database = TestDatabase::create().await;
        holds(seed, database.url()).await.unwrap_or_else(|trouble| panic!("ROPEWALK_SEED={seed}: {trouble}"));
    }
}
