//! Submissions and runners for the tests of the queue.

use crate::env::Env;
use ropewalk_core::port::{
    Finish, Finished, Identity, Jobs, Lease, Loss, NewJob, NewUser, NewWork, Queue, StoreError, Submission,
    Submitted, Trigger, TriggerAction, TriggerCondition, WorkRef,
};
use ropewalk_model::ids::{JobId, RunnerId, UserId};
use ropewalk_model::job::{Job, JobKind, Visibility};
use ropewalk_model::link::{AttemptFact, Outcome, Report};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use ropewalk_model::work::{Labels, Requirement};
use ropewalk_store::audit::audit;
use ropewalk_testkit::dummy;
use std::collections::BTreeSet;
use std::time::Duration;

pub const LEASE: Duration = Duration::from_secs(600);

pub fn requirement(kind: &str) -> Requirement {
    Requirement { kind: kind.into(), arch: None, image: None, features: BTreeSet::new() }
}

pub fn work() -> NewWork {
    NewWork {
        key: None,
        plan: dummy::plan(&["exit 0".into()]).expect("a plan"),
        requirement: requirement("sandbox"),
        share_group: ("user:1".into(), 100),
        priority: 0,
        not_before: None,
        needs: vec![],
        loss: Loss { attempts: 3, cause: Cause::RunnerLost },
        ended: None,
    }
}

pub fn keyed(key: &str) -> NewWork {
    NewWork { key: Some(key.into()), ..work() }
}

pub fn needing(needs: &[usize]) -> NewWork {
    NewWork { needs: needs.iter().map(|need| WorkRef::New(*need)).collect(), ..work() }
}

pub fn job(owner: UserId, root: WorkRef) -> NewJob {
    NewJob {
        kind: JobKind::Srht,
        owner,
        visibility: Visibility::Public,
        manifest: "image: dummy\n".into(),
        note: None,
        tags: vec![],
        image: Some("dummy".into()),
        secrets: false,
        steps: vec!["s0".into(), "s1".into()],
        triggers: vec![],
        root,
        execute: true,
    }
}

pub fn webhook(condition: TriggerCondition, url: &str) -> Trigger {
    Trigger { condition, action: TriggerAction::Webhook { url: url.into() } }
}

impl Env {
    pub async fn owner(&self, name: &str) -> UserId {
        let new = NewUser {
            name: name.into(),
            email: format!("{name}@example.org"),
            roles: BTreeSet::new(),
            password_hash: None,
        };
        self.store.create_user(new).await.expect("a user").id
    }

    pub async fn runner(&self, name: &str, kinds: &[&str]) -> RunnerId {
        let labels =
            Labels { kinds: kinds.iter().map(|kind| kind.to_string()).collect(), ..Labels::default() };
        self.store.register(name, &labels, 4).await.expect("a runner").id
    }

    pub async fn submit(&self, works: Vec<NewWork>, jobs: Vec<NewJob>) -> Submitted {
        let submission = Submission { works, jobs, open_jobs_limit: None };
        self.store.submit(submission).await.expect("a submission")
    }

    /// One job with one work.
    pub async fn one(&self, owner: UserId) -> JobId {
        self.submit(vec![work()], vec![job(owner, WorkRef::New(0))]).await.jobs[0]
    }

    pub async fn lease(&self, runner: RunnerId, n: u32) -> Vec<Lease> {
        self.store.lease_next(runner, n, LEASE).await.expect("leases")
    }

    pub async fn lease_one(&self, runner: RunnerId) -> Lease {
        let mut leases = self.lease(runner, 1).await;
        assert_eq!(leases.len(), 1, "a work to lease");
        leases.remove(0)
    }

    pub async fn try_end(&self, lease: &Lease, outcome: Outcome) -> Result<Finished, StoreError> {
        let finish = Finish { attempt: lease.attempt, fence: lease.fence, outcome, logs: vec![] };
        self.store.finish(finish).await
    }

    pub async fn end(&self, lease: &Lease, outcome: Outcome) -> Finished {
        let finished = self.try_end(lease, outcome).await.expect("an end");
        self.sound().await;
        finished
    }

    pub async fn report(&self, lease: &Lease, number: i64, fact: AttemptFact) -> Result<(), StoreError> {
        let at: Time = ropewalk_core::port::Clock::now(&*self.clock);
        self.store.record(&Report { attempt: lease.attempt, fence: lease.fence, number, at, fact }).await
    }

    pub async fn job(&self, job: JobId) -> Job {
        self.store.job(job).await.expect("an answer").expect("a job")
    }

    pub async fn status(&self, job: JobId) -> JobStatus {
        self.job(job).await.status
    }

    /// Nothing in the database contradicts anything else.
    pub async fn sound(&self) {
        let found = audit(self.db()).await.expect("an audit");
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

pub fn failed(cause: Cause) -> Outcome {
    Outcome::Failure { cause, message: "as the test said".into() }
}
