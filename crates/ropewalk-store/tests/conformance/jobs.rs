//! The port for jobs.

use crate::env::Env;
use crate::farm::{failed, job, keyed, needing, webhook, work};
use ropewalk_core::port::{
    Clock, Deliveries, Identity, JobFilter, Jobs, NewGroup, NewJob, NewWork, Queue, StoreError, Submission,
    TriggerAction, TriggerCondition, Waiting, WorkRef,
};
use ropewalk_model::event::{Event, Fact};
use ropewalk_model::ids::{GroupId, JobId};
use ropewalk_model::job::{JobKind, Visibility};
use ropewalk_model::link::{AttemptFact, Outcome, Verdict};
use ropewalk_model::status::{Cause, JobStatus, StepStatus};
use std::time::Duration;

fn statuses(events: &[Event]) -> Vec<(i32, JobStatus)> {
    let status = |event: &Event| match event.fact {
        Fact::Status { round, status, .. } => Some((round, status)),
        _ => None,
    };
    events.iter().filter_map(status).collect()
}

pub async fn a_job_goes_from_submission_to_success_and_says_so_in_events(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let new = NewJob {
        note: Some("for *mary*".into()),
        tags: vec!["a".into(), "b".into()],
        visibility: Visibility::Unlisted,
        secrets: true,
        ..job(mary, WorkRef::New(0))
    };
    let made = env.submit(vec![work()], vec![new]).await;
    let id = made.jobs[0];
    let queued = env.job(id).await;
    assert_eq!((queued.status, queued.round, queued.queued), (JobStatus::Queued, 1, Some(env.clock.now())));
    assert_eq!((queued.note.as_deref(), queued.tags.len(), queued.secrets), (Some("for *mary*"), 2, true));
    assert_eq!((queued.visibility, queued.owner_name.as_str()), (Visibility::Unlisted, "mary"));
    assert_eq!(env.store.root_work(id).await.expect("a work"), made.works[0]);

    env.clock.advance(Duration::from_secs(5));
    let lease = env.lease_one(runner).await;
    assert_eq!((lease.work, lease.job, lease.plan.clone()), (made.works[0], Some(id), work().plan));
    let running = env.job(id).await;
    assert_eq!((running.status, running.runner.as_deref()), (JobStatus::Running, Some("r")));
    assert_eq!(running.started, Some(env.clock.now()));

    let facts = [
        AttemptFact::Started,
        AttemptFact::Resolved { key: "image.digest".into(), value: "sha256:1".into() },
        AttemptFact::StepStarted { step: 0 },
        AttemptFact::StepEnded { step: 0, exit: 0 },
        AttemptFact::StepSkipped { step: 1 },
        AttemptFact::Artifact { path: "out.tar".into(), size: 7, sha256: "5".repeat(64) },
    ];
    for (number, fact) in (1..).zip(facts) {
        env.report(&lease, number, fact).await.expect("recorded");
    }
    env.clock.advance(Duration::from_secs(5));
    let finished = env.end(&lease, Outcome::Success).await;
    assert_eq!(finished.jobs, [id]);
    let done = env.job(id).await;
    assert_eq!((done.status, done.cause, done.ended), (JobStatus::Success, None, Some(env.clock.now())));

    let steps = env.store.steps(id).await.expect("steps");
    assert_eq!(
        steps.iter().map(|s| s.status).collect::<Vec<_>>(),
        [StepStatus::Success, StepStatus::Skipped]
    );
    assert_eq!((steps[0].exit, steps[0].position, steps[1].name.as_str()), (Some(0), 0, "s1"));
    let attempts = env.store.attempts(id).await.expect("attempts");
    assert_eq!(attempts[0].facts, [("image.digest".to_string(), "sha256:1".to_string())]);
    let files = env.store.artifacts(id).await.expect("artifacts");
    assert_eq!((files[0].path.as_str(), files[0].size), ("out.tar", 7));
    assert!(files[0].created > queued.created && files[0].created < env.clock.now(), "{:?}", files[0]);
    assert!(files[0].link.len() == 32 && files[0].link.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(env.store.artifact_by_link(&files[0].link).await.expect("an answer"), Some(files[0].clone()));
    assert_eq!(env.store.artifact_by_link("").await.expect("an answer"), None);

    let events = env.store.events(id, 0, 100).await.expect("events");
    assert_eq!(events.iter().map(|e| e.number).collect::<Vec<_>>(), (1..=8).collect::<Vec<i64>>());
    assert_eq!(events[0].fact, Fact::Created);
    assert_eq!(statuses(&events), [(1, JobStatus::Queued), (1, JobStatus::Running), (1, JobStatus::Success)]);
    let later = env.store.events(id, 6, 1).await.expect("events");
    assert_eq!(later.iter().map(|e| e.number).collect::<Vec<_>>(), [7]);
}

pub async fn what_belongs_to_many_jobs_is_read_at_once(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let (done, waits) = (env.one(mary).await, env.one(mary).await);
    let lease = env.lease_one(runner).await;
    assert_eq!(lease.job, Some(done));
    let file = |path: &str| AttemptFact::Artifact { path: path.into(), size: 1, sha256: "5".repeat(64) };
    let facts = [
        AttemptFact::Started,
        AttemptFact::StepStarted { step: 0 },
        AttemptFact::StepEnded { step: 0, exit: 0 },
        file("a"),
        file("b"),
    ];
    for (number, fact) in (1..).zip(facts) {
        env.report(&lease, number, fact).await.expect("recorded");
    }
    env.end(&lease, Outcome::Success).await;
    let pending = NewJob { execute: false, ..job(mary, WorkRef::New(0)) };
    let grouped = env.submit(vec![work()], vec![pending]).await.jobs[0];
    let new = NewGroup {
        owner: mary,
        jobs: vec![grouped],
        triggers: vec![],
        note: Some("n".into()),
        execute: false,
    };
    let group = env.store.create_group(new).await.expect("a group");

    let all = [waits, JobId(4711), done, grouped];
    let steps = env.store.steps_of(&all).await.expect("steps");
    assert_eq!(steps.len(), 3, "{steps:?}");
    let of = |id| steps[&id].iter().map(|step| (step.position, step.status)).collect::<Vec<_>>();
    assert_eq!(of(done), [(0, StepStatus::Success), (1, StepStatus::Pending)]);
    assert_eq!(of(waits), [(0, StepStatus::Pending), (1, StepStatus::Pending)]);
    let files = env.store.artifacts_of(&all).await.expect("artifacts");
    assert_eq!(files.keys().collect::<Vec<_>>(), [&done]);
    assert_eq!(files[&done].iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let many: Vec<JobId> = (1..1234).map(JobId).collect();
    assert_eq!(env.store.steps_of(&many).await.expect("steps").len(), 3);
    for nothing in [
        env.store.steps_of(&[]).await.expect("steps").len(),
        env.store.groups(&[]).await.expect("groups").len(),
    ] {
        assert_eq!(nothing, 0);
    }
    let number = group.id;
    assert_eq!(env.store.groups(&[GroupId(4711), number]).await.expect("groups"), [group]);
    let filter = JobFilter { groups: Some(vec![GroupId(4711), number]), ..JobFilter::default() };
    let members = env.store.jobs(&filter, None, 10).await.expect("a list").items;
    assert_eq!(members.iter().map(|job| job.id).collect::<Vec<_>>(), [grouped]);
    let filter = JobFilter { groups: Some(vec![]), ..JobFilter::default() };
    assert!(env.store.jobs(&filter, None, 10).await.expect("a list").items.is_empty());
}

pub async fn what_is_not_there_is_missing(env: Env) {
    let nothing = JobId(4711);
    assert_eq!(env.store.job(nothing).await.expect("an answer"), None);
    assert_eq!(env.store.group(GroupId(4711)).await.expect("an answer"), None);
    for error in [
        env.store.start(nothing).await.expect_err("missing"),
        env.store.cancel(nothing, Cause::Cancelled).await.expect_err("missing"),
        env.store.restart(nothing).await.expect_err("missing"),
        env.store.update(nothing, Visibility::Public, None).await.expect_err("missing"),
        env.store.root_work(nothing).await.expect_err("missing"),
        env.store.start_group(GroupId(4711)).await.expect_err("missing"),
    ] {
        assert!(matches!(error, StoreError::Missing(_)), "{error}");
    }
}

pub async fn a_submission_is_stored_whole_or_not_at_all(env: Env) {
    let mary = env.owner("mary").await;
    let works = vec![work(), NewWork { needs: vec![WorkRef::New(7)], ..work() }];
    let submission = Submission { works, jobs: vec![job(mary, WorkRef::New(0))], open_jobs_limit: None };
    let error = env.store.submit(submission).await.expect_err("a work that does not come before");
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    let all = env.store.jobs(&JobFilter::default(), None, 10).await.expect("a list");
    assert!(all.items.is_empty());
    env.sound().await;
}

pub async fn open_jobs_of_a_user_are_limited_and_ended_ones_do_not_count(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let submission = || Submission {
        works: vec![work(), work()],
        jobs: vec![job(mary, WorkRef::New(0)), job(mary, WorkRef::New(1))],
        open_jobs_limit: Some(3),
    };
    env.store.submit(submission()).await.expect("two of three");
    let error = env.store.submit(submission()).await.expect_err("four of three");
    assert!(matches!(&error, StoreError::Refused(text) if text.contains('3')), "{error}");
    for lease in env.lease(runner, 2).await {
        env.end(&lease, Outcome::Success).await;
    }
    env.store.submit(submission()).await.expect("two of three again");
    env.sound().await;
}

pub async fn jobs_are_counted_by_owner_and_kind_whatever_becomes_of_them(env: Env) {
    let (mary, eve) = (env.owner("mary").await, env.owner("eve").await);
    let count = async |owner, kind| env.store.count_jobs(owner, kind).await.expect("a count");
    assert_eq!(count(mary, JobKind::Srht).await, 0);
    let new = |kind| NewJob { kind, ..job(mary, WorkRef::New(0)) };
    let first = env.submit(vec![work()], vec![new(JobKind::Srht)]).await.jobs[0];
    env.submit(vec![work()], vec![new(JobKind::Srht), new(JobKind::Srht)]).await;
    env.submit(vec![work()], vec![new(JobKind::Vieter)]).await;
    env.store.cancel(first, Cause::Cancelled).await.expect("a cancel");
    env.store.restart(first).await.expect("a restart");
    let refused =
        Submission { works: vec![work()], jobs: vec![new(JobKind::Srht)], open_jobs_limit: Some(1) };
    env.store.submit(refused).await.expect_err("too many");
    assert_eq!((count(mary, JobKind::Srht).await, count(mary, JobKind::Vieter).await), (3, 1));
    assert_eq!((count(mary, JobKind::HydraBuild).await, count(eve, JobKind::Srht).await), (0, 0));
    env.sound().await;
}

pub async fn a_pending_job_waits_for_its_start(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let new = NewJob { execute: false, ..job(mary, WorkRef::New(0)) };
    let made = env.submit(vec![work()], vec![new]).await;
    let id = made.jobs[0];
    assert_eq!(env.status(id).await, JobStatus::Pending);
    assert_eq!(env.store.waiting(made.works[0]).await.expect("why"), Waiting::Held { until: None });
    assert!(env.lease(runner, 1).await.is_empty());
    env.store.start(id).await.expect("a start");
    assert_eq!(env.status(id).await, JobStatus::Queued);
    let again = env.store.start(id).await.expect_err("a second start");
    assert!(matches!(again, StoreError::Refused(_)), "{again}");
    assert_eq!(env.lease_one(runner).await.job, Some(id));
    env.sound().await;
}

pub async fn a_group_takes_pending_jobs_of_its_owner_only_and_changes_nothing_else(env: Env) {
    let (mary, eve) = (env.owner("mary").await, env.owner("eve").await);
    let pending = |owner| NewJob { execute: false, ..job(owner, WorkRef::New(0)) };
    let mine = env.submit(vec![work()], vec![pending(mary)]).await.jobs[0];
    let hers = env.submit(vec![work()], vec![pending(eve)]).await.jobs[0];
    let queued = env.one(mary).await;
    let group = |jobs: &[JobId]| NewGroup {
        owner: mary,
        jobs: jobs.to_vec(),
        triggers: vec![],
        note: None,
        execute: false,
    };
    for jobs in [&[mine, hers][..], &[mine, queued], &[mine, JobId(4711)]] {
        let error = env.store.create_group(group(jobs)).await.expect_err("not all are fit");
        assert!(matches!(error, StoreError::Conflict(_)), "{error}");
        assert_eq!(env.job(mine).await.group, None);
    }
    let made = env.store.create_group(group(&[mine])).await.expect("a group");
    assert_eq!(env.store.group(made.id).await.expect("an answer"), Some(made.clone()));
    assert_eq!(env.job(mine).await.group, Some(made.id));
    env.store.create_group(group(&[mine])).await.expect_err("it is in a group already");
    env.sound().await;
}

pub async fn a_group_is_started_together_and_its_triggers_fire_after_the_last_end(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let mut jobs = Vec::new();
    for _ in 0..3 {
        let new = NewJob { execute: false, ..job(mary, WorkRef::New(0)) };
        jobs.push(env.submit(vec![work()], vec![new]).await.jobs[0]);
    }
    let triggers = vec![
        webhook(TriggerCondition::Always, "https://example.org/always"),
        webhook(TriggerCondition::Success, "https://example.org/success"),
        webhook(TriggerCondition::Failure, "https://example.org/failure"),
    ];
    let new = NewGroup { owner: mary, jobs: jobs.clone(), triggers, note: Some("n".into()), execute: false };
    let group = env.store.create_group(new).await.expect("a group");
    assert!(env.lease(runner, 3).await.is_empty());
    env.store.start_group(group.id).await.expect("a start");
    let leases = env.lease(runner, 3).await;
    env.end(&leases[0], Outcome::Success).await;
    env.end(&leases[1], failed(Cause::StepFailed)).await;
    let due = || env.store.take_deliveries(10, Duration::from_secs(60));
    assert!(due().await.expect("deliveries").is_empty());
    env.end(&leases[2], Outcome::Success).await;
    let urls: Vec<String> = due().await.expect("deliveries").into_iter().map(|d| url(&d.action)).collect();
    assert_eq!(urls, ["https://example.org/always", "https://example.org/failure"]);
}

fn url(action: &TriggerAction) -> String {
    match action {
        TriggerAction::Webhook { url } => url.clone(),
        other => panic!("{other:?}"),
    }
}

pub async fn a_waiting_job_is_cancelled_at_once_and_an_ended_one_is_not(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    assert!(env.store.cancel(id, Cause::Cancelled).await.expect("cancelled"));
    let job = env.job(id).await;
    assert_eq!((job.status, job.cause), (JobStatus::Cancelled, Some(Cause::Cancelled)));
    assert!(env.lease(runner, 1).await.is_empty());
    let error = env.store.cancel(id, Cause::Cancelled).await.expect_err("it has ended");
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    env.sound().await;
}

pub async fn a_running_job_is_cancelled_when_its_runner_has_reported(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let id = env.one(mary).await;
    let lease = env.lease_one(runner).await;
    assert!(!env.store.cancel(id, Cause::Cancelled).await.expect("asked"));
    assert!(!env.store.cancel(id, Cause::Cancelled).await.expect("asked again"));
    assert_eq!(env.status(id).await, JobStatus::Running);
    env.sound().await;
    let told =
        env.store.renew(runner, &[(lease.attempt, lease.fence)], crate::farm::LEASE).await.expect("told");
    assert!(matches!(told[0].verdict, Verdict::Cancel { cause: Cause::Cancelled, .. }), "{told:?}");
    env.end(&lease, failed(Cause::Cancelled)).await;
    assert_eq!(env.status(id).await, JobStatus::Cancelled);
}

pub async fn a_job_that_was_cancelled_ends_cancelled_however_its_runner_ends(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    for outcome in [Some(Outcome::Success), Some(failed(Cause::StepFailed)), None] {
        let id = env.one(mary).await;
        let lease = env.lease_one(runner).await;
        env.store.cancel(id, Cause::Superseded).await.expect("asked");
        match outcome {
            Some(outcome) => drop(env.end(&lease, outcome).await),
            None => {
                env.clock.advance(crate::farm::LEASE);
                let lost = env.store.expire(env.clock.now(), 10).await.expect("nothing yet");
                assert!(lost.is_empty(), "the server has just started: {lost:?}");
                let since = env.clock.now().minus(crate::farm::LEASE);
                let lost = env.store.expire(since, 10).await.expect("lost");
                assert_eq!(lost.iter().map(|l| l.again).collect::<Vec<_>>(), [false]);
            }
        }
        let job = env.job(id).await;
        assert_eq!((job.status, job.cause), (JobStatus::Cancelled, Some(Cause::Superseded)));
        env.sound().await;
    }
}

pub async fn a_work_that_another_job_needs_goes_on_when_one_is_cancelled(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let first = env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]).await;
    let second = env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]).await;
    assert_eq!(first.works, second.works, "the second joined the first one's work");
    let lease = env.lease_one(runner).await;
    assert_eq!(
        (env.status(first.jobs[0]).await, env.status(second.jobs[0]).await),
        (JobStatus::Running, JobStatus::Running)
    );
    assert!(env.store.cancel(first.jobs[0], Cause::Cancelled).await.expect("at once"));
    let told =
        env.store.renew(runner, &[(lease.attempt, lease.fence)], crate::farm::LEASE).await.expect("told");
    assert!(matches!(told[0].verdict, Verdict::Go { .. }), "{told:?}");
    env.end(&lease, Outcome::Success).await;
    assert_eq!(env.status(first.jobs[0]).await, JobStatus::Cancelled);
    assert_eq!(env.status(second.jobs[0]).await, JobStatus::Success);
}

pub async fn a_job_that_joins_a_work_after_its_cancel_gets_another_attempt(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let first = env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]).await;
    let lease = env.lease_one(runner).await;
    assert!(!env.store.cancel(first.jobs[0], Cause::Cancelled).await.expect("asked"));
    env.store.renew(runner, &[(lease.attempt, lease.fence)], crate::farm::LEASE).await.expect("told");
    let second = env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]).await;
    assert_eq!(first.works, second.works);
    env.sound().await;
    assert_eq!(env.status(first.jobs[0]).await, JobStatus::Cancelled, "somebody else needs the work now");
    let finished = env.end(&lease, failed(Cause::Cancelled)).await;
    assert_eq!((finished.jobs.len(), finished.ready), (0, first.works.clone()));
    assert_eq!(env.status(second.jobs[0]).await, JobStatus::Queued);
    let again = env.lease_one(runner).await;
    assert!(again.fence > lease.fence);
    env.end(&again, Outcome::Success).await;
    assert_eq!(env.status(second.jobs[0]).await, JobStatus::Success);
}

pub async fn works_below_a_cancelled_job_are_cancelled_unless_somebody_needs_them(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let works = vec![work(), work(), needing(&[0, 1]), needing(&[1])];
    let made = env.submit(works, vec![job(mary, WorkRef::New(2)), job(mary, WorkRef::New(3))]).await;
    assert_eq!(env.store.waiting(made.works[2]).await.expect("why"), Waiting::Needs { count: 2 });
    assert!(env.store.cancel(made.jobs[0], Cause::Cancelled).await.expect("at once"));
    env.sound().await;
    let leases = env.lease(runner, 9).await;
    assert_eq!(leases.iter().map(|l| l.work).collect::<Vec<_>>(), [made.works[1]]);
    assert_eq!(leases[0].job, None, "no job is decided by it alone");
    let finished = env.end(&leases[0], Outcome::Success).await;
    assert_eq!(finished.ready, [made.works[3]]);
    let last = env.lease_one(runner).await;
    env.end(&last, Outcome::Success).await;
    assert_eq!(env.status(made.jobs[1]).await, JobStatus::Success);
}

pub async fn a_failure_ends_all_that_needs_it_in_the_same_transaction(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let works = vec![work(), needing(&[0]), needing(&[1]), work()];
    let jobs = vec![job(mary, WorkRef::New(2)), job(mary, WorkRef::New(0)), job(mary, WorkRef::New(3))];
    let made = env.submit(works, jobs).await;
    let lease = env.lease_one(runner).await;
    let finished = env.end(&lease, failed(Cause::StepFailed)).await;
    assert_eq!(finished.jobs.len(), 2);
    let top = env.job(made.jobs[0]).await;
    assert_eq!((top.status, top.cause), (JobStatus::Failed, Some(Cause::DependencyFailed)));
    let culprit = env.store.culprit(made.jobs[0]).await.expect("an answer").expect("a culprit");
    assert_eq!((culprit.work, culprit.cause), (made.works[0], Cause::StepFailed));
    assert_eq!(culprit.message.as_deref(), Some("as the test said"));
    let own = env.job(made.jobs[1]).await;
    assert_eq!((own.status, own.cause), (JobStatus::Failed, Some(Cause::StepFailed)));
    assert_eq!(env.store.culprit(made.jobs[1]).await.expect("an answer"), None);
    assert_eq!(env.status(made.jobs[2]).await, JobStatus::Queued);
    let late = NewWork { needs: vec![WorkRef::Known(made.works[0])], ..work() };
    let late = env.submit(vec![late], vec![job(mary, WorkRef::New(0))]).await;
    assert_eq!(env.job(late.jobs[0]).await.cause, Some(Cause::DependencyFailed));
    env.sound().await;
}

pub async fn works_that_ended_before_they_were_needed_are_never_leased(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let ended = |outcome| NewWork { ended: Some(outcome), ..work() };
    let works =
        vec![ended(Outcome::Success), ended(failed(Cause::CachedFailure)), needing(&[0]), needing(&[1])];
    let made = env.submit(works, (0..4).map(|root| job(mary, WorkRef::New(root))).collect()).await;
    assert_eq!(env.status(made.jobs[0]).await, JobStatus::Success);
    assert_eq!(env.job(made.jobs[1]).await.cause, Some(Cause::CachedFailure));
    assert_eq!(env.job(made.jobs[3]).await.cause, Some(Cause::DependencyFailed));
    let leases = env.lease(runner, 9).await;
    assert_eq!(leases.iter().map(|l| l.work).collect::<Vec<_>>(), [made.works[2]]);
    env.sound().await;
}

pub async fn a_restart_opens_the_next_round_of_a_job_and_of_those_that_failed_with_it(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let works = vec![keyed("a"), keyed("b"), needing(&[0, 1]), needing(&[1])];
    let hydra = |root| NewJob { kind: JobKind::HydraBuild, ..job(mary, WorkRef::New(root)) };
    let made = env.submit(works, vec![hydra(2), hydra(3), hydra(1)]).await;
    let error = env.store.restart(made.jobs[0]).await.expect_err("it is open");
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    let leases = env.lease(runner, 2).await;
    env.end(&leases[0], Outcome::Success).await;
    env.end(&leases[1], failed(Cause::StepFailed)).await;
    for id in &made.jobs {
        assert_eq!(env.status(*id).await, JobStatus::Failed);
    }
    env.clock.advance(Duration::from_secs(60));
    env.store.restart(made.jobs[0]).await.expect("a restart");
    env.sound().await;
    for id in &made.jobs[..2] {
        let job = env.job(*id).await;
        assert_eq!((job.status, job.round, job.cause), (JobStatus::Queued, 2, None));
        assert_eq!((job.started, job.ended, job.runner), (None, None, None));
    }
    assert_eq!(env.job(made.jobs[2]).await.round, 1, "it failed by itself and was not asked for");
    let again = env.lease(runner, 9).await;
    assert_eq!(again.len(), 1, "what succeeded is not run again, and the roots wait: {again:?}");
    env.end(&again[0], Outcome::Success).await;
    for lease in env.lease(runner, 9).await {
        env.end(&lease, Outcome::Success).await;
    }
    for id in &made.jobs[..2] {
        assert_eq!(env.status(*id).await, JobStatus::Success);
        let events = env.store.events(*id, 0, 100).await.expect("events");
        let ends = statuses(&events).into_iter().filter(|(_, status)| status.is_final());
        assert_eq!(ends.collect::<Vec<_>>(), [(1, JobStatus::Failed), (2, JobStatus::Success)]);
    }
}

pub async fn a_second_restart_uses_what_the_first_one_made(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let works = vec![work(), needing(&[0]), needing(&[0])];
    let made = env.submit(works, vec![job(mary, WorkRef::New(1)), job(mary, WorkRef::New(2))]).await;
    assert!(env.store.cancel(made.jobs[1], Cause::Cancelled).await.expect("at once"));
    let lease = env.lease_one(runner).await;
    env.end(&lease, failed(Cause::StepFailed)).await;
    env.store.restart(made.jobs[0]).await.expect("a restart");
    env.store.restart(made.jobs[1]).await.expect("another restart");
    env.sound().await;
    let leases = env.lease(runner, 9).await;
    assert_eq!(leases.len(), 1, "both need the same new work: {leases:?}");
    env.end(&leases[0], Outcome::Success).await;
    for lease in env.lease(runner, 9).await {
        env.end(&lease, Outcome::Success).await;
    }
    assert_eq!(env.status(made.jobs[0]).await, JobStatus::Success);
    assert_eq!(env.status(made.jobs[1]).await, JobStatus::Success);
    env.store.restart(made.jobs[0]).await.expect("a restart after success");
    let root = env.lease(runner, 9).await;
    assert_eq!(root.len(), 1, "only the root is run again: {root:?}");
    let attempts = env.store.attempts(made.jobs[0]).await.expect("attempts");
    assert_eq!(attempts.len(), 2, "those of all rounds");
}

pub async fn a_restart_joins_a_work_that_still_runs_for_somebody_else(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let first = env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]).await;
    let second = env.submit(vec![keyed("drv")], vec![job(mary, WorkRef::New(0))]).await;
    let lease = env.lease_one(runner).await;
    assert!(env.store.cancel(first.jobs[0], Cause::Cancelled).await.expect("at once"));
    env.store.restart(first.jobs[0]).await.expect("a restart");
    env.sound().await;
    let job = env.job(first.jobs[0]).await;
    assert_eq!((job.status, job.round, job.runner.as_deref()), (JobStatus::Running, 2, Some("r")));
    env.end(&lease, Outcome::Success).await;
    for id in [first.jobs[0], second.jobs[0]] {
        assert_eq!(env.status(id).await, JobStatus::Success);
    }
    let attempts = env.store.attempts(first.jobs[0]).await.expect("attempts");
    assert_eq!(attempts.len(), 1, "both rounds had the same work");
}

pub async fn a_restart_leaves_no_work_that_nobody_needs(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let top = |needs: &[usize]| NewWork { key: Some("top".into()), ..needing(needs) };
    let made = env.submit(vec![work(), top(&[0])], vec![job(mary, WorkRef::New(1))]).await;
    let lease = env.lease_one(runner).await;
    env.end(&lease, failed(Cause::StepFailed)).await;
    // The same thing is asked for again in another way, before the first is restarted and joins that.
    let other = env.submit(vec![top(&[])], vec![job(mary, WorkRef::New(0))]).await;
    env.store.restart(made.jobs[0]).await.expect("a restart");
    env.sound().await;
    let leases = env.lease(runner, 9).await;
    assert_eq!(leases.iter().map(|l| l.work).collect::<Vec<_>>(), other.works);
    env.end(&leases[0], Outcome::Success).await;
    assert_eq!(env.status(made.jobs[0]).await, JobStatus::Success);
}

pub async fn tags_and_visibility_are_replaced(env: Env) {
    let mary = env.owner("mary").await;
    let id = env.one(mary).await;
    let tags = vec!["x".to_string()];
    let changed = env.store.update(id, Visibility::Private, Some(tags.clone())).await.expect("changed");
    assert_eq!((changed.visibility, changed.tags.clone()), (Visibility::Private, tags));
    let kept = env.store.update(id, Visibility::Public, None).await.expect("changed");
    assert_eq!(kept.tags, ["x"]);
    let events = env.store.events(id, 0, 100).await.expect("events");
    assert_eq!(events.iter().filter(|e| e.fact == Fact::Updated).count(), 2);
    env.sound().await;
}

pub async fn lists_go_on_where_they_stopped_and_show_what_may_be_known(env: Env) {
    let (mary, eve) = (env.owner("mary").await, env.owner("eve").await);
    for at in 0..12 {
        let visibility = [Visibility::Public, Visibility::Unlisted, Visibility::Private][at % 3];
        let owner = if at % 2 == 0 { mary } else { eve };
        let kind = if at % 4 == 0 { JobKind::Vieter } else { JobKind::Srht };
        let new = NewJob { visibility, kind, ..job(owner, WorkRef::New(0)) };
        env.submit(vec![work()], vec![new]).await;
    }
    let collect = |filter: JobFilter| {
        let env = &env;
        async move {
            let (mut ids, mut before) = (vec![], None);
            loop {
                let page = env.store.jobs(&filter, before, 2).await.expect("a page");
                assert!(page.items.len() <= 2);
                ids.extend(page.items.iter().map(|job| job.id.0));
                match page.next {
                    Some(next) => before = Some(next),
                    None => return ids,
                }
            }
        }
    };
    let first = collect(JobFilter::default()).await;
    assert_eq!(first.len(), 12);
    assert!(first.windows(2).all(|pair| pair[0] > pair[1]), "{first:?}");
    assert_eq!(collect(JobFilter { owner: Some(mary), ..JobFilter::default() }).await.len(), 6);
    assert_eq!(collect(JobFilter { kind: Some(JobKind::Vieter), ..JobFilter::default() }).await.len(), 3);
    assert_eq!(
        collect(JobFilter { status: Some(JobStatus::Queued), ..JobFilter::default() }).await.len(),
        12
    );
    assert_eq!(collect(JobFilter { seen_by: Some(None), ..JobFilter::default() }).await.len(), 4);
    let seen = collect(JobFilter { seen_by: Some(Some(mary)), ..JobFilter::default() }).await;
    assert_eq!(seen.len(), 8, "six of her own and two public ones of others: {seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
    let both = JobFilter { seen_by: Some(Some(mary)), owner: Some(eve), ..JobFilter::default() };
    assert_eq!(collect(both).await.len(), 2);
    assert_eq!(env.store.users(None, 9).await.expect("users").len(), 2);
}
