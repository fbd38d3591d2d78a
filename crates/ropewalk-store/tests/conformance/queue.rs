//! The port for the queue.

use crate::env::Env;
use crate::farm::{LEASE, failed, job, keyed, needing, requirement, work};
use ropewalk_core::port::{
    BlobRef, Clock, Finish, Jobs, NewJob, NewWork, Queue, StoreError, Waiting, WorkRef,
};
use ropewalk_model::event::Fact;
use ropewalk_model::ids::{AttemptId, Fence, WorkId};
use ropewalk_model::link::{AttemptFact, LogFile, LogName, Outcome, Verdict};
use ropewalk_model::status::{Cause, JobStatus, StepStatus};
use ropewalk_model::time::Time;
use ropewalk_model::work::Labels;
use std::collections::BTreeSet;
use std::time::Duration;

/// A server start so long ago that it does not matter.
const LONG_AGO: Time = Time(0);

pub async fn a_runner_gets_what_it_can_serve_and_nothing_else(env: Env) {
    let mary = env.owner("mary").await;
    let nix = env.runner("n", &["nix"]).await;
    let sandbox = env.runner("s", &["sandbox"]).await;
    let made = env.submit(vec![work()], vec![job(mary, WorkRef::New(0))]).await;
    assert!(env.lease(nix, 1).await.is_empty());
    let exotic = NewWork { requirement: requirement("riscv"), ..work() };
    let lonely = env.submit(vec![exotic], vec![job(mary, WorkRef::New(0))]).await;
    let why = env.store.waiting(lonely.works[0]).await.expect("why");
    assert_eq!(why, Waiting::NoRunner { requirement: requirement("riscv") });
    let why = env.store.waiting(made.works[0]).await.expect("why");
    assert_eq!(why, Waiting::Busy { ready: 1, runners: vec!["s".into()] });
    assert_eq!(env.lease_one(sandbox).await.work, made.works[0]);
    assert_eq!(env.store.waiting(made.works[0]).await.expect("why"), Waiting::No);
    assert_eq!(env.runner("s", &["riscv"]).await, sandbox, "the same runner with other labels");
    assert_eq!(env.lease_one(sandbox).await.work, lonely.works[0]);
    let rows = env.store.runners().await.expect("runners");
    assert_eq!(rows.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["n", "s"]);
    assert_eq!((rows[1].labels.kinds.len(), rows[1].slots), (1, 4));
    let error = env.store.waiting(WorkId(4711)).await.expect_err("no such work");
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
}

pub async fn a_class_that_comes_after_its_runner_is_served(env: Env) {
    let mary = env.owner("mary").await;
    let labels = Labels {
        kinds: BTreeSet::from(["sandbox".into()]),
        archs: BTreeSet::from(["x86_64".into()]),
        ..Labels::default()
    };
    let runner = env.store.register("r", &labels, 1).await.expect("a runner").id;
    let mut need = requirement("sandbox");
    need.arch = Some("x86_64".into());
    env.submit(vec![NewWork { requirement: need, ..work() }], vec![job(mary, WorkRef::New(0))]).await;
    env.lease_one(runner).await;
}

pub async fn order_is_bump_then_share_then_priority_then_age(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let of = |group: &str, priority| NewWork { share_group: (group.into(), 100), priority, ..work() };
    let works = vec![of("a", 0), of("a", 0), of("a", 5), of("b", 0), of("b", 0), of("b", 0)];
    let made = env.submit(works, (0..6).map(|root| job(mary, WorkRef::New(root))).collect()).await;
    env.store.bump(made.works[4]).await.expect("in front");
    let position = |work: WorkId| made.works.iter().position(|w| *w == work).expect("one of them");
    let first = env.lease_one(runner).await;
    assert_eq!(position(first.work), 4, "bumped");
    env.clock.advance(Duration::from_secs(30));
    env.end(&first, Outcome::Success).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        let lease = env.lease_one(runner).await;
        order.push(position(lease.work));
        env.clock.advance(Duration::from_secs(20));
        env.end(&lease, Outcome::Success).await;
    }
    // Group b has used 31 s: group a is next twice, its priority first; then the lesser user each time.
    assert_eq!(order, [2, 0, 3, 1, 5]);
}

pub async fn a_batch_is_divided_by_shares(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let of = |at: usize| {
        let group = if at < 40 { ("a".to_string(), 1) } else { ("b".to_string(), 3) };
        NewWork { share_group: group, ..work() }
    };
    let works: Vec<NewWork> = (0..80).map(of).collect();
    let made = env.submit(works, (0..80).map(|root| job(mary, WorkRef::New(root))).collect()).await;
    let leases = env.lease(runner, 40).await;
    let of_a = leases.iter().filter(|l| made.works[..40].contains(&l.work)).count();
    assert_eq!((leases.len(), of_a), (40, 10));
    env.sound().await;
}

pub async fn use_is_forgotten_after_a_day(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let of = |group: &str| NewWork { share_group: (group.into(), 100), ..work() };
    let works = vec![of("b"), of("a"), of("a"), of("b")];
    let made = env.submit(works, (0..4).map(|root| job(mary, WorkRef::New(root))).collect()).await;
    let lease = env.lease_one(runner).await;
    assert_eq!(lease.work, made.works[0]);
    env.clock.advance(Duration::from_secs(3600));
    env.end(&lease, Outcome::Success).await;
    let lease = env.lease_one(runner).await;
    assert_eq!(lease.work, made.works[1], "b has used an hour");
    env.clock.advance(Duration::from_secs(60));
    env.end(&lease, Outcome::Success).await;
    env.clock.advance(Duration::from_secs(26 * 3600));
    let leases = env.lease(runner, 1).await;
    assert_eq!(leases[0].work, made.works[2], "both are even again, and this one is older");
    env.sound().await;
}

pub async fn two_that_lease_at_once_never_get_the_same_work(env: Env) {
    let mary = env.owner("mary").await;
    let mut runners = Vec::new();
    for at in 0..8 {
        runners.push(env.runner(&format!("r{at}"), &["sandbox"]).await);
    }
    let works: Vec<NewWork> = (0..120).map(|_| work()).collect();
    env.submit(works, (0..120).map(|root| job(mary, WorkRef::New(root))).collect()).await;
    let leasing = runners.into_iter().map(|runner| {
        let store = env.store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let leases = store.lease_next(runner, 3, LEASE).await.expect("leases");
                if leases.is_empty() {
                    return mine;
                }
                mine.extend(leases.into_iter().map(|lease| lease.work));
            }
        })
    });
    let all = futures_util::future::join_all(leasing).await;
    let all: Vec<WorkId> = all.into_iter().flat_map(|mine| mine.expect("a task")).collect();
    let different: BTreeSet<WorkId> = all.iter().copied().collect();
    assert_eq!((all.len(), different.len()), (120, 120));
    env.sound().await;
}

pub async fn a_lease_that_ran_out_is_lost_and_its_work_tried_again_up_to_the_limit(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    let mut last = None;
    for attempt in 1..=3 {
        let lease = env.lease_one(runner).await;
        env.report(&lease, 1, AttemptFact::StepStarted { step: 0 }).await.expect("recorded");
        env.clock.advance(LEASE - Duration::from_secs(1));
        assert!(env.store.expire(LONG_AGO, 10).await.expect("none").is_empty());
        env.clock.advance(Duration::from_secs(1));
        let lost = env.store.expire(LONG_AGO, 10).await.expect("lost");
        assert_eq!((lost.len(), lost[0].attempt, lost[0].again), (1, lease.attempt, attempt < 3));
        let status = if attempt < 3 { JobStatus::Queued } else { JobStatus::Failed };
        assert_eq!(env.status(id).await, status);
        env.sound().await;
        last = Some(lease);
    }
    let job = env.job(id).await;
    assert_eq!(
        (job.cause, env.store.steps(id).await.expect("steps")[0].status),
        (Some(Cause::RunnerLost), StepStatus::Failed)
    );
    let events = env.store.events(id, 0, 100).await.expect("events");
    let lost: Vec<_> = events.iter().filter(|e| matches!(e.fact, Fact::Lost { .. })).collect();
    assert_eq!(lost.len(), 2, "after the third it waits no more");
    let late = last.expect("a lease");
    for error in [
        env.try_end(&late, Outcome::Success).await.expect_err("too late"),
        env.report(&late, 2, AttemptFact::StepEnded { step: 0, exit: 0 }).await.expect_err("too late"),
    ] {
        assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
    }
    assert_eq!(env.store.attempts(id).await.expect("attempts").len(), 3);
}

pub async fn a_renewed_lease_lives_on_and_nobody_loses_it_while_no_server_ran(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    let lease = env.lease_one(runner).await;
    let held = [(lease.attempt, lease.fence)];
    env.clock.advance(Duration::from_secs(500));
    let renewed = env.store.renew(runner, &held, LEASE).await.expect("renewed");
    assert_eq!(renewed[0].verdict, Verdict::Go { until: env.clock.now().plus(LEASE) });
    env.clock.advance(Duration::from_secs(500));
    assert!(env.store.expire(LONG_AGO, 10).await.expect("none").is_empty());
    // The server was away for a day: the runner has the whole time again, counted from the start.
    env.clock.advance(Duration::from_secs(86_400));
    let start = env.clock.now();
    env.clock.advance(LEASE - Duration::from_secs(1));
    assert!(env.store.expire(start, 10).await.expect("none").is_empty());
    env.clock.advance(Duration::from_secs(1));
    assert_eq!(env.store.expire(start, 10).await.expect("lost").len(), 1);
    assert_eq!(env.status(id).await, JobStatus::Queued);
    let other = env.runner("other", &["sandbox"]).await;
    for (who, what) in [(runner, held[0]), (other, held[0]), (runner, (AttemptId(4711), Fence(1)))] {
        let verdict = env.store.renew(who, &[what], LEASE).await.expect("an answer")[0].verdict.clone();
        assert_eq!(verdict, Verdict::Superseded);
    }
}

pub async fn a_superseded_attempt_changes_nothing(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    let first = env.lease_one(runner).await;
    env.clock.advance(LEASE);
    env.store.expire(LONG_AGO, 10).await.expect("lost");
    let second = env.lease_one(runner).await;
    assert!(second.fence > first.fence && second.attempt != first.attempt);
    for error in [
        env.try_end(&first, Outcome::Success).await.expect_err("superseded"),
        env.report(&first, 1, AttemptFact::Started).await.expect_err("superseded"),
    ] {
        assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
    }
    assert_eq!(env.status(id).await, JobStatus::Running);
    env.end(&second, Outcome::Success).await;
    assert_eq!(env.status(id).await, JobStatus::Success);
}

pub async fn what_an_agent_does_not_hold_any_more_is_lost_at_once(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let (kept, gone) = (env.one(mary).await, env.one(mary).await);
    let leases = env.lease(runner, 2).await;
    let held = [(leases[0].attempt, leases[0].fence)];
    let lost = env.store.abandon(runner, &held).await.expect("lost");
    assert_eq!(lost.iter().map(|l| (l.attempt, l.again)).collect::<Vec<_>>(), [(leases[1].attempt, true)]);
    assert_eq!((env.status(kept).await, env.status(gone).await), (JobStatus::Running, JobStatus::Queued));
    assert!(env.store.abandon(runner, &held).await.expect("none").is_empty());
    env.sound().await;
}

pub async fn facts_are_recorded_once_and_in_order(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    let lease = env.lease_one(runner).await;
    env.report(&lease, 1, AttemptFact::StepStarted { step: 0 }).await.expect("recorded");
    env.report(&lease, 1, AttemptFact::StepStarted { step: 0 }).await.expect("ignored");
    let early = env.report(&lease, 3, AttemptFact::StepEnded { step: 0, exit: 0 }).await.expect_err("a gap");
    assert!(matches!(early, StoreError::Refused(_)), "{early}");
    let wrong = env.report(&lease, 2, AttemptFact::StepSkipped { step: 0 }).await.expect_err("it runs");
    assert!(matches!(wrong, StoreError::Refused(_)), "{wrong}");
    env.report(&lease, 2, AttemptFact::StepEnded { step: 0, exit: 7 }).await.expect("recorded");
    env.end(&lease, failed(Cause::StepFailed)).await;
    env.report(&lease, 2, AttemptFact::StepEnded { step: 0, exit: 7 }).await.expect("ignored after the end");
    let step = &env.store.steps(id).await.expect("steps")[0];
    assert_eq!((step.status, step.exit), (StepStatus::Failed, Some(7)));
    let events = env.store.events(id, 0, 100).await.expect("events");
    assert_eq!(events.iter().filter(|e| matches!(e.fact, Fact::Step { .. })).count(), 2);
}

pub async fn an_end_counts_once_and_switches_the_logs(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    let lease = env.lease_one(runner).await;
    env.report(&lease, 1, AttemptFact::StepStarted { step: 0 }).await.expect("recorded");
    let log = |size| BlobRef { sha256: "a".repeat(64), size };
    let finish = Finish {
        attempt: lease.attempt,
        fence: lease.fence,
        outcome: failed(Cause::Timeout),
        logs: vec![(LogFile::Text(LogName::Setup), log(9)), (LogFile::Text(LogName::Step(0)), log(100))],
    };
    let first = env.store.finish(finish.clone()).await.expect("an end");
    assert_eq!((first.jobs.clone(), first.repeated), (vec![id], false));
    let second = env.store.finish(finish.clone()).await.expect("the same end");
    assert_eq!((second.jobs.len(), second.repeated), (0, true));
    let wrong = Finish { fence: Fence(finish.fence.0 + 1), ..finish };
    let error = env.store.finish(wrong).await.expect_err("another lease's number");
    assert!(matches!(error, StoreError::Superseded { .. }), "{error}");
    assert_eq!(env.status(id).await, JobStatus::Timeout);
    let step = &env.store.steps(id).await.expect("steps")[0];
    assert_eq!((step.status, step.log_bytes), (StepStatus::Failed, 100), "it ran when the attempt ended");
    env.sound().await;
}

pub async fn a_work_with_a_time_is_held_until_then(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let at = env.clock.now().plus(Duration::from_secs(60));
    let works =
        vec![NewWork { not_before: Some(at), ..work() }, NewWork { not_before: Some(at), ..needing(&[0]) }];
    let made = env.submit(works, vec![job(mary, WorkRef::New(1))]).await;
    assert_eq!(env.status(made.jobs[0]).await, JobStatus::Queued);
    assert_eq!(env.store.waiting(made.works[0]).await.expect("why"), Waiting::Held { until: Some(at) });
    assert_eq!(env.store.release_due(10).await.expect("none"), 0);
    env.clock.advance(Duration::from_secs(60));
    assert_eq!(env.store.release_due(1).await.expect("one"), 1);
    assert_eq!(env.store.release_due(10).await.expect("the other"), 1);
    env.sound().await;
    assert_eq!(env.lease(runner, 9).await.len(), 1);
}

pub async fn a_bump_takes_along_what_is_needed(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let works = vec![work(), work(), needing(&[1])];
    let made = env.submit(works, vec![job(mary, WorkRef::New(0)), job(mary, WorkRef::New(2))]).await;
    env.store.bump(made.works[2]).await.expect("in front");
    assert_eq!(env.lease_one(runner).await.work, made.works[1]);
    let error = env.store.bump(WorkId(4711)).await.expect_err("no such work");
    assert!(matches!(error, StoreError::Missing(_)), "{error}");
}

pub async fn a_work_that_nobody_will_run_is_given_up(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let works = vec![NewWork { requirement: requirement("vax"), ..work() }, needing(&[0]), work()];
    let made = env.submit(works, vec![job(mary, WorkRef::New(1)), job(mary, WorkRef::New(2))]).await;
    let given_up =
        env.store.fail_work(made.works[0], Cause::UnsupportedSystem, "no vax here").await.expect("ended");
    assert_eq!(given_up.jobs, [made.jobs[0]]);
    let culprit = env.store.culprit(made.jobs[0]).await.expect("an answer").expect("a culprit");
    assert_eq!((culprit.cause, culprit.message.as_deref()), (Cause::UnsupportedSystem, Some("no vax here")));
    let lease = env.lease_one(runner).await;
    for work in [made.works[0], lease.work] {
        let error =
            env.store.fail_work(work, Cause::UnsupportedSystem, "").await.expect_err("ended, or leased");
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
    }
    env.sound().await;
}

pub async fn a_key_is_free_again_when_its_work_has_ended(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let submit = || env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]);
    let first = submit().await;
    let urgent = NewWork { priority: 9, ..keyed("drv") };
    let joined = env.submit(vec![urgent], vec![job(mary, WorkRef::New(0))]).await;
    assert_eq!(first.works, joined.works);
    let lease = env.lease_one(runner).await;
    assert_eq!(lease.job, Some(first.jobs[0]), "the oldest one");
    env.end(&lease, Outcome::Success).await;
    assert_eq!(env.status(joined.jobs[0]).await, JobStatus::Success);
    assert_ne!(submit().await.works, first.works);
    let known = env.submit(vec![], vec![job(mary, WorkRef::Known(first.works[0]))]).await;
    assert_eq!(env.status(known.jobs[0]).await, JobStatus::Success, "what succeeded before is enough");
    env.sound().await;
}

pub async fn many_that_submit_the_same_key_at_once_make_one_work(env: Env) {
    let mary = env.owner("mary").await;
    let submitting = (0..24).map(|_| {
        let store = env.store.clone();
        tokio::spawn(async move {
            let submission = ropewalk_core::port::Submission {
                works: vec![keyed("base"), NewWork { key: Some("top".into()), ..needing(&[0]) }],
                jobs: vec![job(mary, WorkRef::New(1))],
                open_jobs_limit: None,
            };
            store.submit(submission).await.expect("a submission")
        })
    });
    let made = futures_util::future::join_all(submitting).await;
    let works: BTreeSet<Vec<WorkId>> = made.into_iter().map(|made| made.expect("a task").works).collect();
    assert_eq!(works.len(), 1, "{works:?}");
    env.sound().await;
}

pub async fn those_who_wait_hear_of_new_works(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let changed = env.store.changed();
    let new = NewJob { execute: true, ..job(mary, WorkRef::New(0)) };
    env.submit(vec![work()], vec![new]).await;
    tokio::time::timeout(Duration::from_secs(10), changed).await.expect("a wake-up");
    env.lease_one(runner).await;
}

pub async fn ends_cancels_and_submissions_at_once_leave_a_sound_database(env: Env) {
    let mary = env.owner("mary").await;
    let mut tasks = Vec::new();
    for at in 0..6_u64 {
        let runner = env.runner(&format!("r{at}"), &["sandbox"]).await;
        let (store, clock) = (env.store.clone(), env.clock.clone());
        tasks.push(tokio::spawn(async move {
            for round in 0..12_u64 {
                let works = vec![
                    keyed("x"),
                    keyed("y"),
                    needing(&[0, 1]),
                    NewWork { key: Some("z".into()), ..needing(&[0, 2]) },
                ];
                let submission = ropewalk_core::port::Submission {
                    works,
                    jobs: vec![job(mary, WorkRef::New(2)), job(mary, WorkRef::New(3))],
                    open_jobs_limit: None,
                };
                let made = store.submit(submission).await.expect("a submission");
                if (at + round) % 3 == 0 {
                    // It may have ended meanwhile, which is fine.
                    let _ = store.cancel(made.jobs[(round % 2) as usize], Cause::Cancelled).await;
                }
                clock.advance(Duration::from_millis(10));
                for lease in store.lease_next(runner, 2, LEASE).await.expect("leases") {
                    let outcome =
                        if (at * 7 + round) % 4 == 0 { failed(Cause::StepFailed) } else { Outcome::Success };
                    let finish = Finish { attempt: lease.attempt, fence: lease.fence, outcome, logs: vec![] };
                    store.finish(finish).await.expect("an end");
                }
                if round % 4 == 3 {
                    let _ = store.restart(made.jobs[0]).await;
                }
            }
            runner
        }));
    }
    let mut runners = Vec::new();
    for task in tasks {
        runners.push(task.await.expect("a task"));
    }
    env.sound().await;
    loop {
        let leases = env.lease(runners[0], 50).await;
        if leases.is_empty() {
            break;
        }
        for lease in leases {
            env.try_end(&lease, Outcome::Success).await.expect("an end");
        }
    }
    env.sound().await;
    for status in [JobStatus::Pending, JobStatus::Queued, JobStatus::Running] {
        let filter = ropewalk_core::port::JobFilter { status: Some(status), ..Default::default() };
        let left = env.store.jobs(&filter, None, 10).await.expect("a list");
        assert!(left.items.is_empty(), "still {status}: {:?}", left.items[0]);
    }
}
