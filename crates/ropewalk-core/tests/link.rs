//! The server's side of the link, on a real store with a fake clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ropewalk_core::access::Caller;
use ropewalk_core::error::Kind;
use ropewalk_core::farm::Farm;
use ropewalk_core::identity::TokenWish;
use ropewalk_core::logs::RECHECK;
use ropewalk_core::port::{BlobRef, Identity, Jobs, Queue, StoreError};
use ropewalk_core::queue::{LinkRefusal, Runner};
use ropewalk_core::submit::Request;
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::{AttemptId, Fence, JobId};
use ropewalk_model::job::{Job, Visibility};
use ropewalk_model::link::{
    AttemptFact, Hello, LINK_VERSION, LogFile, LogName, LogPiece, Offer, Outcome, Report, Verdict,
};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::work::Labels;
use ropewalk_store::SqlStore;
use ropewalk_store::db::{Tx, Write};
use ropewalk_testkit::clock::FakeClock;
use ropewalk_testkit::farm::{LOST_AFTER, farm, settings, user};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const MANIFEST: &str = "image: host\ntasks:\n  - a: 'true'\n";

struct World {
    farm: Arc<Farm>,
    store: SqlStore,
    clock: Arc<FakeClock>,
    ann: Caller,
    folder: TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let url = format!("sqlite:{}", folder.path().join("db").display());
    let store = SqlStore::open(&url, clock.clone()).await.unwrap();
    let (farm, _) = farm(&store, folder.path(), clock.clone(), settings()).await;
    let ann = user(&farm, "ann", &[]).await;
    World { farm: Arc::new(farm), store, clock, ann, folder }
}

impl World {
    /// Resolves when an attempt at a job was leased.
    async fn leased(&self, job: &Job) {
        let leased = async {
            while self.farm.attempts(&Caller::Local, job.id).await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), leased).await.expect("an attempt");
    }

    async fn submit(&self, manifest: &str) -> Job {
        let request = Request {
            manifest: manifest.into(),
            note: None,
            tags: vec![],
            visibility: Visibility::Unlisted,
            secrets: None,
            execute: true,
        };
        self.farm.submit(&self.ann, request).await.unwrap()
    }

    async fn runner(&self, name: &str, held: &[(AttemptId, Fence)]) -> Runner {
        let word = |word: &str| [word.to_string()].into();
        let labels = Labels { kinds: word("sandbox"), archs: word("x86_64"), ..Labels::default() };
        let hello = Hello { version: LINK_VERSION, name: name.into(), labels, slots: 4 };
        self.farm.hello(&hello, held).await.unwrap()
    }

    async fn offer(&self, runner: &Runner) -> Offer {
        runner.ask(1).await.unwrap().pop().expect("an offer")
    }

    /// Files below the folder of the blobs, by path and size.
    fn blobs(&self) -> Vec<(std::path::PathBuf, u64)> {
        let (mut found, mut folders) = (vec![], vec![self.folder.path().join("blobs")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                match entry.metadata().unwrap() {
                    meta if meta.is_dir() => folders.push(entry.path()),
                    meta => found.push((entry.path(), meta.len())),
                }
            }
        }
        found.sort();
        found
    }

    async fn status(&self, job: &Job) -> JobStatus {
        self.farm.job(&Caller::Local, job.id).await.unwrap().status
    }

    /// A server with an empty memory over the same store, as after a restart.
    fn forgetful(self) -> World {
        let settings = self.farm.settings().clone();
        let runtime = tokio::runtime::Handle::current();
        let again = farm(&self.store, self.folder.path(), self.clock.clone(), settings);
        let (farm, _) = tokio::task::block_in_place(|| runtime.block_on(again));
        World { farm: Arc::new(farm), ..self }
    }
}

fn held(offer: &Offer) -> (AttemptId, Fence) {
    (offer.attempt, offer.fence)
}

fn piece(offer: &Offer, offset: u64, bytes: &[u8]) -> LogPiece {
    let (attempt, fence) = held(offer);
    LogPiece { attempt, fence, log: LogFile::Text(LogName::Step(0)), offset, bytes: bytes.into() }
}

fn report(offer: &Offer, number: i64, fact: AttemptFact) -> Report {
    let (attempt, fence) = held(offer);
    Report { attempt, fence, number, at: FakeClock::START, fact }
}

fn ended(outcome: Outcome) -> AttemptFact {
    AttemptFact::Ended { outcome }
}

#[tokio::test]
async fn an_offer_carries_what_a_plan_must_not_hold() {
    let world = world().await;
    let job = world.submit(&format!("oauth: builds.sr.ht/JOBS:RO\n{MANIFEST}")).await;
    let runner = world.runner("r", &[]).await;
    let offer = world.offer(&runner).await;
    assert_eq!(offer.values.job, Some(job.id));
    assert_eq!(offer.values.job_url.as_deref(), Some(&*format!("https://farm.example/~ann/job/{}", job.id)));
    let token = offer.values.oauth2_token.expect("a token for the build");
    assert!(!offer.plan.json.contains(token.reveal()));
    let Caller::User { grants, .. } = world.farm.authenticate(token.reveal()).await.unwrap() else {
        panic!()
    };
    assert_eq!(grants.to_string(), "JOBS:RO");
    // It ends when the build must have ended.
    world.clock.advance(Duration::from_secs(45 * 60 + 120));
    assert_eq!(world.farm.authenticate(token.reveal()).await.unwrap_err().kind, Kind::InvalidToken);
}

#[tokio::test]
async fn a_question_that_was_dropped_loses_no_work() {
    let world = world().await;
    let runner = world.runner("r", &[]).await;
    for _ in 0..20 {
        let job = world.submit(MANIFEST).await;
        // Dropped at every moment that there is, from before the lease to after it.
        let asking = runner.ask(1);
        let dropped = tokio::time::timeout(Duration::from_micros(300), asking).await;
        let offer = match dropped {
            Ok(offers) => offers.unwrap().pop().unwrap(),
            Err(_) => world.offer(&runner).await,
        };
        assert_eq!(offer.values.job, Some(job.id));
        runner.report(&report(&offer, 1, ended(Outcome::Success))).await.unwrap();
        assert_eq!(world.status(&job).await, JobStatus::Success);
    }
}

#[tokio::test]
async fn work_that_comes_while_a_runner_asks_is_offered_at_once() {
    let world = world().await;
    let runner = world.runner("r", &[]).await;
    world.clock.advance(Duration::from_secs(1));
    let (offers, job) = tokio::join!(runner.ask(1), async {
        // The runner was seen at the new time: it has looked, and found nothing.
        while world.store.runners().await.unwrap()[0].seen == FakeClock::START {
            tokio::task::yield_now().await;
        }
        world.submit(MANIFEST).await
    });
    assert_eq!(offers.unwrap()[0].values.job, Some(job.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_taken_from_the_holder_of_the_lease_only() {
    let world = world().await;
    world.submit(MANIFEST).await;
    let (one, two) = (world.runner("one", &[]).await, world.runner("two", &[]).await);
    let offer = world.offer(&one).await;
    assert_eq!(one.log(&piece(&offer, 0, b"abc")).await.unwrap(), 3);
    assert_eq!(one.log(&piece(&offer, 0, b"abcde")).await.unwrap(), 5, "what was there is skipped");
    assert_eq!(one.log(&piece(&offer, 9, b"x")).await.unwrap(), 5, "a gap stores nothing");
    let wrong_fence = LogPiece { fence: Fence(offer.fence.0 + 1), ..piece(&offer, 5, b"x") };
    assert!(matches!(one.log(&wrong_fence).await, Err(LinkRefusal::Superseded)));
    assert!(matches!(two.log(&piece(&offer, 5, b"x")).await, Err(LinkRefusal::Superseded)));

    // A server that remembers nothing asks the database.
    let world = world.forgetful();
    let one = world.runner("one", &[held(&offer)]).await;
    assert_eq!(one.log(&piece(&offer, 5, b"fg")).await.unwrap(), 7);
}

/// Runs a statement on the database behind the store's back.
async fn execute(world: &World, sql: &'static str) {
    async fn run(tx: &Tx, sql: &&'static str) -> Result<(), StoreError> {
        tx.execute(sql, vec![]).await.map(drop)
    }
    world.store.database().write(Write::durable("inject a fault"), sql, run).await.unwrap();
}

fn jobs(offers: &[Offer]) -> Vec<JobId> {
    offers.iter().map(|offer| offer.values.job.unwrap()).collect()
}

async fn ask(runner: &Runner, free: u32) -> Vec<Offer> {
    tokio::time::timeout(Duration::from_secs(20), runner.ask(free)).await.expect("an answer").unwrap()
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_fails_no_job_and_keeps_back_no_other() {
    let world = world().await;
    let with_token = world.submit(&format!("oauth: builds.sr.ht/JOBS:RO\n{MANIFEST}")).await;
    let plain = world.submit(MANIFEST).await;
    let runner = world.runner("r", &[]).await;
    execute(&world, "ALTER TABLE tokens RENAME TO tokens_away").await;
    let offers = ask(&runner, 3).await;
    assert_eq!(offers.iter().map(|offer| offer.values.job.unwrap()).collect::<Vec<_>>(), [plain.id]);
    assert_eq!(world.status(&with_token).await, JobStatus::Running, "it stays leased");
    execute(&world, "ALTER TABLE tokens_away RENAME TO tokens").await;
    // A runner that is full but for this one gets it too.
    let offers = ask(&runner, 1).await;
    assert_eq!(offers[0].values.job, Some(with_token.id));
    assert!(offers[0].values.oauth2_token.is_some());
    runner.report(&report(&offers[0], 1, ended(Outcome::Success))).await.unwrap();
    assert_eq!(world.status(&with_token).await, JobStatus::Success);
    assert_eq!(world.farm.attempts(&Caller::Local, with_token.id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_work_put_off_until_its_lease_ran_out_runs_elsewhere() {
    let world = world().await;
    let job = world.submit(&format!("oauth: builds.sr.ht/JOBS:RO\n{MANIFEST}")).await;
    let (one, two) = (world.runner("one", &[]).await, world.runner("two", &[]).await);
    execute(&world, "ALTER TABLE tokens RENAME TO tokens_away").await;
    tokio::select! {
        offers = one.ask(1) => panic!("there is nothing to offer: {offers:?}"),
        () = world.leased(&job) => {}
    }
    world.clock.advance(LOST_AFTER + Duration::from_secs(1));
    assert_eq!(world.store.expire(FakeClock::START, 10).await.unwrap().len(), 1);
    execute(&world, "ALTER TABLE tokens_away RENAME TO tokens").await;
    let again = ask(&two, 1).await;
    assert_eq!(again[0].values.job, Some(job.id));
    let other = world.submit(MANIFEST).await;
    let offers = ask(&one, 2).await;
    assert_eq!(jobs(&offers), [other.id], "a lease that ran out was offered");
}

/// Asks and goes away when the question has begun to lease.
async fn ask_and_leave(runner: &Runner, free: u32) {
    let mut question = std::pin::pin!(runner.ask(free));
    std::future::poll_fn(|context| {
        assert!(question.as_mut().poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_dropped_question_and_the_next_one_lease_no_more_than_is_free() {
    let world = world().await;
    let submitted =
        [world.submit(MANIFEST).await, world.submit(MANIFEST).await, world.submit(MANIFEST).await];
    let runner = world.runner("r", &[]).await;
    ask_and_leave(&runner, 1).await;
    ask_and_leave(&runner, 1).await;
    assert_eq!(jobs(&ask(&runner, 1).await), [submitted[0].id]);
    for waiting in &submitted[1..] {
        assert_eq!(world.status(waiting).await, JobStatus::Queued);
    }
}

#[tokio::test]
async fn an_offer_that_lay_until_its_lease_ran_out_is_dropped() {
    let world = world().await;
    let submitted = [world.submit(MANIFEST).await, world.submit(MANIFEST).await];
    let runner = world.runner("r", &[]).await;
    ask_and_leave(&runner, 2).await;
    assert_eq!(jobs(&ask(&runner, 1).await), [submitted[0].id]);
    assert_eq!(world.status(&submitted[1]).await, JobStatus::Running, "its offer lies ready");
    world.clock.advance(LOST_AFTER + Duration::from_secs(1));
    let fresh = world.submit(MANIFEST).await;
    assert_eq!(jobs(&ask(&runner, 1).await), [fresh.id]);
}

#[tokio::test]
async fn a_work_that_cannot_be_handed_out_ends_alone() {
    let world = world().await;
    let broken = world.submit("image: host\ntasks:\n  - b: 'false'\n").await;
    let (before, after) = (world.submit(MANIFEST).await, world.submit(MANIFEST).await);
    execute(&world, "UPDATE plans SET json = json || ' ' WHERE json LIKE '%\"b\"%'").await;
    let runner = world.runner("r", &[]).await;
    let offers = ask(&runner, 3).await;
    let offered: Vec<_> = offers.iter().map(|offer| offer.values.job.unwrap()).collect();
    assert_eq!(offered, [before.id, after.id]);
    let broken = world.farm.job(&Caller::Local, broken.id).await.unwrap();
    assert_eq!((broken.status, broken.cause), (JobStatus::Failed, Some(Cause::Infrastructure)));
}

#[tokio::test]
async fn a_lost_runner_is_told_so_and_its_work_runs_elsewhere() {
    let world = world().await;
    let job = world.submit(MANIFEST).await;
    let (one, two) = (world.runner("one", &[]).await, world.runner("two", &[]).await);
    let since = FakeClock::START;
    let lost = world.offer(&one).await;
    one.log(&piece(&lost, 0, b"what it printed")).await.unwrap();
    world.clock.advance(LOST_AFTER + Duration::from_secs(1));
    assert_eq!(world.store.expire(since, 10).await.unwrap().len(), 1);
    assert_eq!(world.status(&job).await, JobStatus::Queued);
    let again = world.offer(&two).await;
    assert!(again.work == lost.work && again.attempt != lost.attempt && again.fence > lost.fence);
    let verdicts = one.renew(&[held(&lost)]).await.unwrap();
    assert_eq!(verdicts, [(lost.attempt, Verdict::Superseded)]);
    assert!(matches!(one.log(&piece(&lost, 0, b"late")).await, Err(LinkRefusal::Superseded)));
    // What it still says changes nothing.
    let late = report(&lost, 1, ended(Outcome::Failure { cause: Cause::StepFailed, message: "late".into() }));
    let sealed = world.blobs();
    assert!(matches!(one.report(&late).await, Err(LinkRefusal::Superseded)));
    assert_eq!(world.blobs(), sealed, "logs were sealed for a report that counts for nothing");
    assert_eq!(world.status(&job).await, JobStatus::Running);
    two.report(&report(&again, 1, ended(Outcome::Success))).await.unwrap();
    assert_eq!(world.status(&job).await, JobStatus::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_taken_from_the_holder_of_the_lease_only() {
    let world = world().await;
    let job = world.submit(MANIFEST).await;
    let (one, two) = (world.runner("one", &[]).await, world.runner("two", &[]).await);
    let offer = world.offer(&one).await;
    one.log(&piece(&offer, 0, b"so far")).await.unwrap();
    let end = report(&offer, 1, ended(Outcome::Success));
    let older = Report { fence: Fence(offer.fence.0 - 1), ..end.clone() };
    let unknown = Report { attempt: AttemptId(offer.attempt.0 + 1000), ..end.clone() };
    let sealed = world.blobs();
    for (runner, report) in [(&two, &end), (&one, &older), (&one, &unknown)] {
        assert!(matches!(runner.report(report).await, Err(LinkRefusal::Superseded)));
    }
    assert_eq!((world.blobs(), world.status(&job).await), (sealed, JobStatus::Running));
    assert_eq!(one.log(&piece(&offer, 6, b" so good")).await.unwrap(), 14);
    // A server that remembers nothing asks the database.
    let world = world.forgetful();
    let one = world.runner("one", &[held(&offer)]).await;
    for _ in 0..2 {
        one.report(&end).await.unwrap();
    }
    assert_eq!(world.status(&job).await, JobStatus::Success);
    let log = world.farm.open_log(&Caller::Local, job.id, LogName::Step(0)).await.unwrap();
    assert_eq!(world.farm.read_log(log, 0, 100).await.unwrap().bytes, b"so far so good");
}

#[tokio::test]
async fn an_end_that_is_reported_twice_is_one_end() {
    let world = world().await;
    let job = world.submit(MANIFEST).await;
    let runner = world.runner("r", &[]).await;
    let offer = world.offer(&runner).await;
    runner.log(&piece(&offer, 0, b"bytes\n")).await.unwrap();
    let end = report(&offer, 1, ended(Outcome::Success));
    for _ in 0..3 {
        runner.report(&end).await.unwrap();
    }
    let log = world.farm.open_log(&Caller::Local, job.id, LogName::Step(0)).await.unwrap();
    let slice = world.farm.read_log(log, 0, 100).await.unwrap();
    assert_eq!((slice.bytes.as_slice(), slice.complete), (&b"bytes\n"[..], true));
}

#[tokio::test]
async fn what_an_agent_does_not_find_any_more_is_lost_at_once() {
    let world = world().await;
    let job = world.submit(MANIFEST).await;
    let runner = world.runner("r", &[]).await;
    let lost = world.offer(&runner).await;
    let runner = world.runner("r", &[]).await;
    assert_eq!(world.status(&job).await, JobStatus::Queued);
    let again = world.offer(&runner).await;
    assert!(again.attempt != lost.attempt);
    let runner = world.runner("r", &[held(&again)]).await;
    assert_eq!(world.status(&job).await, JobStatus::Running);
    runner.report(&report(&again, 1, ended(Outcome::Success))).await.unwrap();
    assert_eq!(world.status(&job).await, JobStatus::Success);
}

#[tokio::test]
async fn a_file_counts_when_it_is_what_was_promised() {
    let world = world().await;
    let job = world.submit(&format!("artifacts: [f]\n{MANIFEST}")).await;
    let runner = world.runner("r", &[]).await;
    let offer = world.offer(&runner).await;
    let file = world.folder.path().join("f");
    std::fs::write(&file, b"abc").unwrap();
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_string();
    let promised = BlobRef { sha256: sha256.clone(), size: 3 };
    let fact = AttemptFact::Artifact { path: "f".into(), size: 3, sha256 };
    assert!(
        runner.report(&report(&offer, 1, fact.clone())).await.is_err(),
        "reported before it was handed over"
    );
    let other = BlobRef { size: 4, ..promised.clone() };
    assert!(runner.artifact(held(&offer), "f", &other, &file).await.is_err(), "not what was promised");
    runner.artifact(held(&offer), "f", &promised, &file).await.unwrap();
    runner.report(&report(&offer, 1, fact)).await.unwrap();
    runner.report(&report(&offer, 2, ended(Outcome::Success))).await.unwrap();
    let artifacts = world.farm.artifacts(&world.ann, job.id).await.unwrap();
    let open = world.farm.open_artifact(&world.ann, job.id, artifacts[0].id).await.unwrap();
    assert_eq!(world.farm.read_artifact(&open, 1, 10).await.unwrap(), b"bc");
    // Whoever has the link may read it, until its days are over.
    let url = world.farm.artifact_url(&artifacts[0]).expect("an address");
    let link = url.strip_prefix("https://farm.example/artifacts/").and_then(|rest| rest.strip_suffix("/f"));
    let link = link.unwrap_or_else(|| panic!("{url}"));
    let open = world.farm.open_link(link, "f").await.unwrap();
    assert_eq!(world.farm.read_artifact(&open, 0, 10).await.unwrap(), b"abc");
    for (link, name) in [(link, "g"), (&"0".repeat(32), "f"), ("", "f"), ("\0", "f")] {
        assert_eq!(world.farm.open_link(link, name).await.unwrap_err().kind, Kind::Missing, "{link} {name}");
    }
    world.clock.advance(Duration::from_secs(91 * 24 * 3600));
    assert_eq!(world.farm.artifact_url(&artifacts[0]), None);
    assert_eq!(world.farm.open_link(link, "f").await.unwrap_err().kind, Kind::Missing);
}

#[tokio::test]
async fn a_cancelled_build_is_told_at_once() {
    let world = world().await;
    let job = world.submit(MANIFEST).await;
    let runner = world.runner("r", &[]).await;
    let offer = world.offer(&runner).await;
    let job_after = world.farm.cancel(&world.ann, job.id).await.unwrap();
    assert_eq!(job_after.status, JobStatus::Running);
    tokio::time::timeout(Duration::from_secs(10), runner.changed()).await.expect("the runner is told");
    let verdicts = runner.renew(&[held(&offer)]).await.unwrap();
    assert!(matches!(verdicts[0].1, Verdict::Cancel { cause: Cause::Cancelled, .. }), "{verdicts:?}");
    let outcome = Outcome::Failure { cause: Cause::Cancelled, message: "cancelled".into() };
    runner.report(&report(&offer, 1, ended(outcome))).await.unwrap();
    assert_eq!(world.status(&job).await, JobStatus::Cancelled);
}

#[tokio::test]
async fn a_reader_loses_a_job_that_is_hidden_from_them() {
    let world = world().await;
    let (hidden, unlisted) = (world.submit(MANIFEST).await, world.submit(MANIFEST).await);
    world.store.update(hidden.id, Visibility::Private, None).await.unwrap();
    let within = async |by: &Caller, job: &Job| {
        tokio::time::timeout(2 * RECHECK, world.farm.lost_access(by, job.id)).await.ok()
    };
    let nobody = Caller::Anonymous;
    let (stranger, owner, knows) =
        tokio::join!(within(&nobody, &hidden), within(&world.ann, &hidden), within(&nobody, &unlisted));
    assert_eq!(stranger.map(|why| why.kind), Some(Kind::Missing));
    assert!(owner.is_none(), "its owner may read it");
    assert!(knows.is_none(), "whoever knows the number of an unlisted job may read it");
}

#[tokio::test]
async fn a_revoked_token_is_nobodys() {
    let world = world().await;
    let wish = TokenWish { grants: Grants::All, comment: None, lifetime: Some(Duration::from_secs(60)) };
    let (token, secret) = world.farm.create_token(&Caller::Local, "ann", wish.clone()).await.unwrap();
    assert!(world.farm.authenticate(secret.reveal()).await.is_ok());
    world.farm.revoke_token(&world.ann, "ann", token.id).await.unwrap();
    assert!(world.farm.authenticate(secret.reveal()).await.is_err());
    let (_, secret) = world.farm.create_token(&Caller::Local, "ann", wish).await.unwrap();
    world.clock.advance(Duration::from_secs(61));
    assert!(world.farm.authenticate(secret.reveal()).await.is_err());
    assert!(world.store.user_named("ann").await.unwrap().is_some());
}

#[tokio::test]
async fn a_badge_is_looked_up_again_after_half_a_minute() {
    let world = world().await;
    let badge = async |tags: &str| {
        let found = world.farm.badge("ann", tags).await.unwrap();
        found.map(|(status, _)| status)
    };
    assert_eq!(badge("").await, None);
    world.submit(MANIFEST).await;
    let runner = world.runner("r", &[]).await;
    let offer = world.offer(&runner).await;
    runner.report(&report(&offer, 1, ended(Outcome::Success))).await.unwrap();
    for _ in 0..30 {
        assert_eq!(badge("").await, None);
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(badge("").await, Some(JobStatus::Success));
    assert_eq!(badge("other").await, None);
    assert_eq!(world.farm.badge("nobody", "").await.unwrap_err().kind, Kind::Missing);
}
