//! Groups, changes of jobs, and who knows whom, on a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use ropewalk_core::access::Caller;
use ropewalk_core::error::Kind;
use ropewalk_core::farm::{Farm, Settings};
use ropewalk_core::groups::GroupWish;
use ropewalk_core::submit::Request;
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::{GroupId, JobId};
use ropewalk_model::job::{JobKind, Visibility};
use ropewalk_model::limits::RequestLimits;
use ropewalk_model::status::JobStatus;
use ropewalk_store::SqlStore;
use ropewalk_testkit::clock::FakeClock;
use ropewalk_testkit::farm::{farm, settings, user};
use std::sync::Arc;
use tempfile::TempDir;

struct World {
    farm: Farm,
    ann: Caller,
    bob: Caller,
    _folder: TempDir,
}

async fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FakeClock::default());
    let url = format!("sqlite:{}", folder.path().join("db").display());
    let store = SqlStore::open(&url, clock.clone()).await.unwrap();
    let requests = RequestLimits { group: 3, ..RequestLimits::default() };
    let (farm, _) = farm(&store, folder.path(), clock, Settings { requests, ..settings() }).await;
    let ann = user(&farm, "ann", &[]).await;
    let bob = user(&farm, "bob", &[]).await;
    World { farm, ann, bob, _folder: folder }
}

fn narrowed(caller: &Caller, grants: &str) -> Caller {
    let Caller::User { user, .. } = caller else { panic!("a user") };
    Caller::User { user: user.clone(), grants: Grants::parse(grants).unwrap(), expires: None, token: None }
}

impl World {
    async fn pending(&self, by: &Caller, visibility: Visibility) -> JobId {
        let request = Request {
            manifest: "image: host\ntasks:\n  - a: 'true'\n".into(),
            note: None,
            tags: vec!["a".into()],
            visibility,
            secrets: None,
            execute: false,
        };
        self.farm.submit(by, request).await.unwrap().id
    }

    async fn status(&self, job: JobId) -> JobStatus {
        self.farm.job(&Caller::Local, job).await.unwrap().status
    }
}

fn wish(jobs: &[JobId], execute: bool) -> GroupWish {
    GroupWish { jobs: jobs.to_vec(), triggers: vec![], note: Some("n".into()), execute }
}

#[tokio::test]
async fn a_group_is_made_of_own_pending_jobs_and_started_by_its_owner_only() {
    let world = world().await;
    let (farm, ann, bob) = (&world.farm, &world.ann, &world.bob);
    let hers = world.pending(bob, Visibility::Public).await;
    let one = world.pending(ann, Visibility::Public).await;
    let two = world.pending(ann, Visibility::Private).await;
    for (jobs, kind) in [
        (vec![], Kind::Malformed),
        (vec![one; 4], Kind::Malformed),
        (vec![one, hers], Kind::Conflict),
        (vec![one, JobId(4711)], Kind::Conflict),
    ] {
        assert_eq!(farm.create_group(ann, wish(&jobs, true)).await.unwrap_err().kind, kind, "{jobs:?}");
        assert_eq!(world.status(one).await, JobStatus::Pending);
    }
    let weak = narrowed(ann, "JOBS:RO");
    assert_eq!(farm.create_group(&weak, wish(&[one], true)).await.unwrap_err().kind, Kind::Forbidden);

    let group = farm.create_group(ann, wish(&[one, two], false)).await.unwrap();
    assert_eq!((world.status(one).await, world.status(two).await), (JobStatus::Pending, JobStatus::Pending));
    for (by, number) in [(bob, group.id), (ann, GroupId(4711))] {
        assert_eq!(farm.start_group(by, number).await.unwrap_err().kind, Kind::Missing);
    }
    farm.start_group(ann, group.id).await.unwrap();
    assert_eq!((world.status(one).await, world.status(two).await), (JobStatus::Queued, JobStatus::Queued));

    // Others see what is public.
    let job = Arc::new(farm.job_of(bob, JobKind::Srht, one).await.unwrap());
    let seen: Vec<_> = farm.groups_of(bob, &[job]).await.unwrap().into_iter().map(Arc::new).collect();
    assert_eq!(seen.len(), 1);
    let numbers = async |by: &Caller| -> Vec<JobId> {
        farm.jobs_of_groups(by, &seen, 100).await.unwrap().into_iter().map(|job| job.id).collect()
    };
    assert_eq!((numbers(ann).await, numbers(bob).await), (vec![one, two], vec![one]));
}

#[tokio::test]
async fn a_job_is_changed_by_its_owner_only() {
    let world = world().await;
    let (farm, ann, bob) = (&world.farm, &world.ann, &world.bob);
    let job = world.pending(ann, Visibility::Public).await;
    let changed = farm.update(ann, job, Visibility::Unlisted, Some(vec!["x/y".into()])).await.unwrap();
    assert_eq!((changed.visibility, changed.tags), (Visibility::Unlisted, vec!["x".into(), "y".to_string()]));
    let kept = farm.update(ann, job, Visibility::Private, None).await.unwrap();
    assert_eq!((kept.visibility, kept.tags.len()), (Visibility::Private, 2));
    let cleared = farm.update(ann, job, Visibility::Public, Some(vec!["".into()])).await.unwrap();
    assert!(cleared.tags.is_empty());
    let many = Some(vec!["x".into(); 1000]);
    assert_eq!(farm.update(ann, job, Visibility::Public, many).await.unwrap_err().kind, Kind::Malformed);
    assert_eq!(farm.update(bob, job, Visibility::Public, None).await.unwrap_err().kind, Kind::Forbidden);
    farm.update(ann, job, Visibility::Private, None).await.unwrap();
    assert_eq!(farm.update(bob, job, Visibility::Public, None).await.unwrap_err().kind, Kind::Missing);
    assert_eq!(farm.job_of(ann, JobKind::HydraBuild, job).await.unwrap_err().kind, Kind::Missing);
}

#[tokio::test]
async fn accounts_are_known_to_those_who_have_one() {
    let world = world().await;
    let (farm, ann) = (&world.farm, &world.ann);
    let bob = farm.profile_named(ann, "bob").await.unwrap();
    assert_eq!(farm.profile(ann, bob.id).await.unwrap(), bob);
    assert_eq!(farm.profile_named(ann, "nobody").await.unwrap_err().kind, Kind::Missing);
    assert_eq!(farm.profile_named(&Caller::Anonymous, "bob").await.unwrap_err().kind, Kind::Unauthenticated);
    let weak = narrowed(ann, "JOBS:RW");
    assert_eq!(farm.profile_named(&weak, "bob").await.unwrap_err().kind, Kind::Forbidden);
}

#[tokio::test]
async fn a_group_is_shown_to_its_owner_and_cancelled_whole() {
    let world = world().await;
    let mut jobs = vec![];
    for _ in 0..3 {
        jobs.push(world.pending(&world.ann, Visibility::Public).await);
    }
    let group = world.farm.create_group(&world.ann, wish(&jobs, true)).await.unwrap();
    for stranger in [&world.bob, &narrowed(&world.bob, "JOBS:RW")] {
        let hidden = world.farm.group(stranger, group.id).await.unwrap_err();
        let none = world.farm.group(stranger, GroupId(group.id.0 + 1)).await.unwrap_err();
        assert_eq!((hidden.kind, none.kind), (Kind::Missing, Kind::Missing));
        assert_eq!(world.farm.cancel_group(stranger, group.id).await.unwrap_err().kind, Kind::Missing);
    }
    let reads = narrowed(&world.ann, "JOBS:RO");
    assert_eq!(world.farm.group(&reads, group.id).await.unwrap(), group);
    assert_eq!(world.farm.cancel_group(&reads, group.id).await.unwrap_err().kind, Kind::Forbidden);
    assert_eq!(world.status(jobs[0]).await, JobStatus::Queued);
    // One that has ended before does not keep the others alive.
    world.farm.cancel(&world.ann, jobs[1]).await.unwrap();
    for _ in 0..2 {
        world.farm.cancel_group(&world.ann, group.id).await.unwrap();
        for job in &jobs {
            assert_eq!(world.status(*job).await, JobStatus::Cancelled);
        }
    }
    assert_eq!(world.farm.count_jobs(&world.ann, JobKind::Srht).await.unwrap(), 3);
    assert_eq!(world.farm.count_jobs(&world.bob, JobKind::Srht).await.unwrap(), 0);
    assert!(world.farm.count_jobs(&Caller::Anonymous, JobKind::Srht).await.is_err());
}
