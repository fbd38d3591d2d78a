//! Package builds as time passes: schedules, leases that nobody sees, logs. Tests are named after the rows of the
//! acceptance table that they show.

use crate::env::Env;
use ropewalk_core::access::Caller;
use ropewalk_core::arch::{ArchSettings, Cron, TargetWish, Uploaded};
use ropewalk_core::farm::{Farm, Settings};
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::port::{
    Arch, BlobRef, Blobs, LogFilter, Queue, Role, TargetFields, TargetFilter, TargetKind, Window,
};
use ropewalk_model::link::{LogFile, LogName};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use ropewalk_store::DiskBlobs;
use ropewalk_store::audit::audit;
use ropewalk_testkit::farm::{farm, settings, user};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
/// What a lease of a build lasts: its time-out, and ten minutes.
const LEASE: Duration = Duration::from_secs(3600 + 600);

pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) farm: Farm,
    pub(crate) admin: Caller,
    folder: tempfile::TempDir,
}

/// A server on the database, as each start of one makes it.
async fn server(env: &Env, folder: &tempfile::TempDir, arch: ArchSettings) -> Farm {
    farm(&env.store, folder.path(), env.clock.clone(), Settings { arch, ..settings() }).await.0
}

pub(crate) async fn world(env: Env) -> World {
    world_with(env, ArchSettings::default()).await
}

pub(crate) async fn world_with(env: Env, arch: ArchSettings) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let farm = server(&env, &folder, arch).await;
    // Schedules come before now, not with it.
    env.clock.advance(Duration::from_secs(1));
    let admin = user(&farm, "ann", &[Role::Admin]).await;
    let world = World { env, farm, admin, folder };
    // An agent is there from the start.
    assert_eq!(world.poll(0).await, [0_i64; 0]);
    world
}

impl World {
    pub(crate) async fn target(&self, schedule: &str) -> i64 {
        let fields = TargetFields {
            kind: TargetKind::Git,
            url: "https://example.org/p.git".into(),
            branch: String::new(),
            repo: "r".into(),
            schedule: schedule.into(),
            path: String::new(),
        };
        let wish = TargetWish { fields, archs: "x86_64".into() };
        self.farm.create_target(&self.admin, wish).await.expect("a target").id
    }

    pub(crate) async fn poll(&self, most: u32) -> Vec<i64> {
        let builds = self.farm.poll_builds(&self.admin, "x86_64", most).await.expect("a poll");
        builds.iter().map(|build| build.target_id).collect()
    }

    pub(crate) async fn queue(&self, target: i64, arch: &str) {
        self.farm.queue_build(&self.admin, target, arch, false).await.expect("queued");
    }

    pub(crate) async fn log(&self, target: i64, arch: &str, end: Time, exit: i32) {
        let path = self.folder.path().join("log");
        std::fs::write(&path, b"a log").expect("a file");
        let seconds = end.0 / 1_000_000;
        let log = Uploaded { target, start: seconds, end: seconds, arch: arch.into(), exit };
        self.farm.keep_build_log(&self.admin, log, &path).await.expect("kept");
    }

    /// A blob as the log of a build's one step.
    pub(crate) async fn log_of_a_step(&self) -> (LogFile, BlobRef) {
        let path = self.folder.path().join("step");
        std::fs::write(&path, b"a log").expect("a file");
        let blobs =
            DiskBlobs::open(&self.folder.path().join("blobs"), self.env.store.clone()).await.expect("blobs");
        (LogFile::Text(LogName::Step(0)), blobs.put_file(&path).await.expect("a blob"))
    }

    /// Ends leases that ran out, as every server does each second.
    pub(crate) async fn expire(&self) {
        self.env.store.expire(Time(0), 100).await.expect("expired");
    }

    pub(crate) fn now(&self) -> Time {
        self.farm.now()
    }

    /// Status and cause of all builds, oldest first.
    pub(crate) async fn ends(&self) -> Vec<(JobStatus, Option<Cause>)> {
        let page = self.farm.jobs(&self.admin, JobQuery::default(), None, 100).await.expect("jobs");
        page.items.iter().rev().map(|job| (job.status, job.cause)).collect()
    }

    pub(crate) async fn is_sound(&self) {
        assert_eq!(audit(self.env.db()).await.expect("an audit"), Vec::<String>::new());
    }
}

pub async fn vieter_21_a_schedule_hands_out_one_build_a_minute(env: Env) {
    let world = world(env).await;
    let id = world.target("* *").await;
    assert_eq!(world.poll(5).await, [0_i64; 0], "not before the next minute");
    for _ in 0..3 {
        world.env.clock.advance(MINUTE);
        assert_eq!(world.poll(5).await, [id]);
        assert_eq!(world.poll(5).await, [0_i64; 0]);
    }
    // Slow agents find one build, not a pile; the next one comes with the next minute from then on.
    world.env.clock.advance(MINUTE * 30);
    assert_eq!(world.poll(5).await, [id]);
    assert_eq!(world.poll(5).await, [0_i64; 0]);
    world.is_sound().await;
}

pub async fn vieter_23_what_came_while_no_server_ran_is_not_caught_up(env: Env) {
    let world = world(env).await;
    let id = world.target("* *").await;
    world.env.clock.advance(MINUTE * 10);
    assert_eq!(world.env.store.skip_missed(Cron::default()).await.expect("skipped"), 1);
    assert_eq!(world.poll(5).await, [0_i64; 0]);
    world.env.clock.advance(MINUTE);
    assert_eq!(world.poll(5).await, [id]);
}

pub async fn vieter_23_agents_that_are_first_after_a_restart_get_nothing_that_was_missed(env: Env) {
    let mut world = world(env).await;
    let id = world.target("* *").await;
    world.env.clock.advance(MINUTE * 10);
    // Nobody has looked at schedules before the agent asks.
    world.farm = server(&world.env, &world.folder, ArchSettings::default()).await;
    assert_eq!(world.poll(5).await, [0_i64; 0]);
    world.env.clock.advance(MINUTE);
    assert_eq!(world.poll(5).await, [id]);
}

pub async fn one_that_is_queued_by_hand_does_not_disturb_the_schedule(env: Env) {
    let world = world(env).await;
    let id = world.target("* *").await;
    world.queue(id, "x86_64").await;
    assert_eq!(world.poll(5).await, [id]);
    assert_eq!(world.poll(5).await, [0_i64; 0]);
    world.env.clock.advance(MINUTE);
    world.queue(id, "x86_64").await;
    assert_eq!(world.poll(5).await, [id, id]);
}

pub async fn a_schedule_goes_on_after_its_build_was_cancelled(env: Env) {
    let world = world(env).await;
    let id = world.target("* *").await;
    world.env.clock.advance(MINUTE);
    world.farm.poll_builds(&world.admin, "x86_64", 0).await.expect("a poll");
    let page = world.farm.jobs(&world.admin, JobQuery::default(), None, 100).await.expect("jobs");
    world.farm.cancel(&world.admin, page.items[0].id).await.expect("cancelled");
    assert_eq!(world.poll(5).await, [0_i64; 0]);
    world.env.clock.advance(MINUTE);
    assert_eq!(world.poll(5).await, [id]);
}

pub async fn a_build_without_a_log_is_handed_out_once_more_and_then_ends(env: Env) {
    let world = world(env).await;
    let id = world.target("").await;
    world.queue(id, "x86_64").await;
    for _ in 0..2 {
        assert_eq!(world.poll(5).await, [id]);
        world.env.clock.advance(LEASE - Duration::from_secs(1));
        world.expire().await;
        assert_eq!(world.poll(5).await, [0_i64; 0], "its time has not passed");
        world.env.clock.advance(Duration::from_secs(2));
        world.expire().await;
    }
    assert_eq!(world.poll(5).await, [0_i64; 0]);
    assert_eq!(world.ends().await, [(JobStatus::Timeout, Some(Cause::NoReport))]);
    // A log that comes all the same is a build of its own.
    world.log(id, "x86_64", world.now(), 0).await;
    assert_eq!(world.ends().await[1], (JobStatus::Success, None));
    world.is_sound().await;
}

pub async fn a_log_ends_the_build_that_was_handed_out_first(env: Env) {
    let world = world(env).await;
    let id = world.target("").await;
    world.queue(id, "aarch64").await;
    world.farm.poll_builds(&world.admin, "aarch64", 1).await.expect("a poll");
    for _ in 0..2 {
        world.env.clock.advance(MINUTE);
        world.queue(id, "x86_64").await;
        assert_eq!(world.poll(5).await, [id]);
    }
    let second = world.now();
    // One that ended before the builds were handed out belongs to none of them.
    world.log(id, "x86_64", second.minus(MINUTE * 5), 9).await;
    // The same architecture first, then the one that was handed out first.
    world.log(id, "x86_64", second, 1).await;
    world.log(id, "x86_64", second, 0).await;
    world.log(id, "armv7h", second, 2).await;
    world.log(id, "x86_64", second, 0).await;
    let failed = (JobStatus::Failed, Some(Cause::StepFailed));
    let success = (JobStatus::Success, None);
    assert_eq!(world.ends().await, [failed, failed, success, failed, success]);
    world.is_sound().await;
}

pub async fn builds_that_end_without_a_log_are_let_go(env: Env) {
    let world = world(env).await;
    let id = world.target("").await;
    world.queue(id, "x86_64").await;
    world.queue(id, "aarch64").await;
    for _ in 0..2 {
        assert_eq!(world.poll(5).await, [id]);
        world.env.clock.advance(LEASE + MINUTE);
        world.expire().await;
    }
    assert_eq!(world.env.store.close_builds(100).await.expect("closed"), 1);
    assert_eq!(world.env.store.close_builds(100).await.expect("closed"), 0);
    let open = "SELECT arch FROM arch_builds WHERE open";
    let open = world.env.db().query_all("look", open, vec![]).await.expect("rows");
    let archs: Vec<String> = open.iter().map(|row| row.get("arch").expect("an arch")).collect();
    assert_eq!(archs, ["aarch64"], "what waits is still looked for");
    world.is_sound().await;
}

pub async fn a_cancelled_build_ends_though_its_agent_cannot_be_told(env: Env) {
    let world = world(env).await;
    let id = world.target("").await;
    world.queue(id, "x86_64").await;
    assert_eq!(world.poll(5).await, [id]);
    let page = world.farm.jobs(&world.admin, JobQuery::default(), None, 100).await.expect("jobs");
    world.farm.cancel(&world.admin, page.items[0].id).await.expect("cancelled");
    world.env.store.close_builds(100).await.expect("closed");
    let cancelled = (JobStatus::Cancelled, Some(Cause::Cancelled));
    assert_eq!(world.ends().await, [cancelled]);
    // The agent goes on, and its log is one of its own.
    world.log(id, "x86_64", world.now(), 0).await;
    assert_eq!(world.ends().await, [cancelled, (JobStatus::Success, None)]);
    world.is_sound().await;
}

pub async fn filters_that_nothing_can_hold_find_nothing(env: Env) {
    let world = world(env).await;
    let id = world.target("").await;
    world.log(id, "x86_64", world.now(), 0).await;
    let window = Window { limit: 0, offset: 0 };
    for text in ["\0", "x86\0_64", "a\nb"] {
        let of = |repo: &str, arch: &str, query: &str| TargetFilter {
            repo: repo.into(),
            arch: arch.into(),
            query: query.into(),
            ..TargetFilter::default()
        };
        for filter in [of(text, "", ""), of("", text, ""), of("", "", text)] {
            let found = world.farm.targets(&world.admin, &filter, window).await.expect("a list");
            assert_eq!(found, [], "{filter:?}");
        }
        let filter = LogFilter { arch: text.into(), ..LogFilter::default() };
        assert_eq!(world.farm.build_logs(&world.admin, &filter, window).await.expect("a list"), []);
    }
}

/// Whichever is first, the log is kept: agents upload it once.
pub async fn a_log_that_meets_the_end_of_its_lease_is_kept(env: Env) {
    let world = Arc::new(world(env).await);
    let id = world.target("").await;
    for round in 1..=12 {
        world.queue(id, "x86_64").await;
        assert_eq!(world.poll(5).await, [id]);
        world.env.clock.advance(LEASE + MINUTE);
        let (log, expired) = (world.clone(), world.clone());
        let log = tokio::spawn(async move { log.log(id, "x86_64", log.now(), 0).await });
        let expired = tokio::spawn(async move { expired.expire().await });
        log.await.expect("the log is kept");
        expired.await.expect("expired");
        // What was handed out in vain ends before the next round.
        while !world.poll(5).await.is_empty() {
            world.env.clock.advance(LEASE + MINUTE);
            world.expire().await;
        }
        let filter = LogFilter::default();
        let window = Window { limit: 0, offset: 0 };
        let logs = world.farm.build_logs(&world.admin, &filter, window).await.expect("logs");
        assert_eq!(logs.len(), round);
    }
    world.is_sound().await;
}

pub async fn a_target_shows_what_comes_next_and_how_it_went(env: Env) {
    let world = world(env).await;
    let (id, other) = (world.target("* *").await, world.target("").await);
    let runs = async |id: i64| {
        let mut runs = world.farm.target_runs(&world.admin, &[id, other, 99]).await.expect("runs");
        assert!(!runs.contains_key(&99), "nothing of a target that there is not");
        runs.remove(&id).expect("the target's")
    };
    let shown = async || {
        let runs = runs(id).await;
        let last = runs.last.map(|build| (build.job.status, build.log.is_some()));
        (runs.next.into_iter().map(|(arch, at)| (arch, at.is_some())).collect::<Vec<_>>(), last)
    };
    let next = |is_set| vec![("x86_64".to_string(), is_set)];
    assert_eq!(shown().await, (next(true), None));
    world.env.clock.advance(MINUTE);
    world.farm.poll_builds(&world.admin, "x86_64", 0).await.expect("a poll");
    assert_eq!(shown().await, (next(false), Some((JobStatus::Queued, false))));
    assert_eq!(world.poll(5).await, [id]);
    assert_eq!(shown().await, (next(true), Some((JobStatus::Running, false))));
    world.log(id, "x86_64", world.now(), 0).await;
    assert_eq!(shown().await, (next(true), Some((JobStatus::Success, true))));
    assert!(runs(other).await.last.is_none());
    world.log(id, "x86_64", world.now(), 7).await;
    let builds = async |before| {
        let builds = world.farm.target_builds(&world.admin, id, before, 9).await.expect("builds");
        builds.into_iter().map(|build| (build.job.id.0, build.job.status)).collect::<Vec<_>>()
    };
    let all = builds(None).await;
    assert_eq!(
        all.iter().map(|(_, status)| *status).collect::<Vec<_>>(),
        [JobStatus::Failed, JobStatus::Success]
    );
    assert_eq!(builds(Some(all[0].0)).await, all[1..]);
    assert_eq!(builds(Some(all[1].0)).await, []);
}
