//! Carries a scenario out.

use super::agent::Agent;
use super::{Act, GroupSpec, JobSpec, Scenario, SubmitSpec, Trouble, WorkSpec};
use crate::clock::FakeClock;
use crate::dummy;
use ropewalk_core::port::{
    Clock, Identity, Jobs, Loss, NewGroup, NewJob, NewUser, NewWork, Queue, StoreError, Submission, WorkRef,
};
use ropewalk_model::ids::{AttemptId, GroupId, JobId, UserId, WorkId};
use ropewalk_model::job::Visibility;
use ropewalk_model::time::Time;
use ropewalk_model::work::{Labels, Requirement};
use ropewalk_store::SqlStore;
use ropewalk_store::audit::audit;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

/// Steps after which a scenario that does not end is given up.
const MOST_STEPS: u64 = 20_000;

/// A farm in the middle of a scenario, or after it.
pub struct World {
    pub(super) store: SqlStore,
    pub(super) clock: Arc<FakeClock>,
    pub(super) scenario: Scenario,
    pub(super) agents: Vec<Agent>,
    due: BinaryHeap<Reverse<(Time, u64, Due)>>,
    steps: u64,
    users: BTreeMap<String, UserId>,
    pub(super) jobs: BTreeMap<String, JobId>,
    pub(super) groups: BTreeMap<String, GroupId>,
    pub(super) flags: BTreeSet<String>,
    /// Works that a runner holds, by what the store promised about them.
    pub(super) leased: BTreeMap<WorkId, AttemptId>,
    pub(super) names: BTreeSet<String>,
    /// Attempts at each work.
    pub(super) attempts: BTreeMap<WorkId, i64>,
    /// How often each work was handed out, by name.
    pub(super) runs: BTreeMap<String, u64>,
    /// Seconds that works of each share group ran until they ended.
    pub(super) seconds: BTreeMap<String, u64>,
    pub(super) groups_of_works: BTreeMap<String, String>,
}

/// Something that happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Act(usize),
    Fact(usize, AttemptId),
    End(usize, AttemptId),
    Renew(usize),
    Expire,
    Release,
}

impl World {
    pub(super) async fn new(
        scenario: &Scenario,
        store: SqlStore,
        clock: Arc<FakeClock>,
    ) -> Result<World, Trouble> {
        let mut world = World {
            store,
            clock,
            scenario: scenario.clone(),
            agents: Vec::new(),
            due: BinaryHeap::new(),
            steps: 0,
            users: BTreeMap::new(),
            jobs: BTreeMap::new(),
            groups: BTreeMap::new(),
            flags: BTreeSet::new(),
            leased: BTreeMap::new(),
            names: BTreeSet::new(),
            attempts: BTreeMap::new(),
            runs: BTreeMap::new(),
            seconds: BTreeMap::new(),
            groups_of_works: BTreeMap::new(),
        };
        world.register().await?;
        let start = world.clock.now();
        for (at, timed) in scenario.timeline.iter().enumerate() {
            world.plan(start.plus(Duration::from_secs(timed.at)), Due::Act(at));
        }
        Ok(world)
    }

    async fn register(&mut self) -> Result<(), Trouble> {
        for spec in &self.scenario.runners {
            let labels = Labels { kinds: BTreeSet::from([spec.kind.clone()]), ..Labels::default() };
            for number in 1..=spec.count {
                let name =
                    if spec.count == 1 { spec.name.clone() } else { format!("{}-{number}", spec.name) };
                let slots = u32::try_from(spec.slots).unwrap_or(u32::MAX);
                let row = self.store.register(&name, &labels, slots).await.map_err(store("register"))?;
                let spec = spec.clone();
                self.agents.push(Agent { spec, id: row.id, held: BTreeMap::new(), renewing: false });
            }
        }
        Ok(())
    }

    pub(super) fn plan(&mut self, at: Time, due: Due) {
        self.steps += 1;
        self.due.push(Reverse((at, self.steps, due)));
    }

    pub(super) async fn run(&mut self) -> Result<(), Trouble> {
        let end = self.scenario.until.map(|until| self.clock.now().plus(Duration::from_secs(until)));
        let mut done: u64 = 0;
        while let Some(Reverse((at, _, due))) = self.due.pop() {
            if end.is_some_and(|end| at > end) {
                break;
            }
            self.clock.set(at);
            self.happen(due).await?;
            self.ask_for_work().await?;
            done += 1;
            // A fact changes a step and nothing that its end would not be audited with.
            let audited =
                !matches!(due, Due::Fact(..)) && done.is_multiple_of(self.scenario.audit_every.max(1));
            if audited {
                self.audit(&format!("{due:?}")).await?;
            }
            if done > MOST_STEPS {
                return Err(Trouble::Broken(format!(
                    "{MOST_STEPS} steps and no end: somebody waits for ever"
                )));
            }
        }
        self.audit("the end").await
    }

    async fn audit(&self, after: &str) -> Result<(), Trouble> {
        let found = audit(self.store.database()).await.map_err(store("audit"))?;
        if found.is_empty() {
            return Ok(());
        }
        Err(Trouble::Broken(format!("after {after} at {}: {}", self.clock.now(), found.join("; "))))
    }

    async fn happen(&mut self, due: Due) -> Result<(), Trouble> {
        match due {
            Due::Act(at) => self.act(at).await,
            Due::Fact(agent, attempt) => self.report(agent, attempt).await,
            Due::End(agent, attempt) => self.end(agent, attempt, None).await,
            Due::Renew(agent) => self.renew(agent).await,
            Due::Expire => self.expire().await,
            Due::Release => self.store.release_due(1000).await.map(|_| ()).map_err(store("release")),
        }
    }

    async fn act(&mut self, at: usize) -> Result<(), Trouble> {
        let Some(act) = self.scenario.timeline.get(at).map(|timed| timed.act.clone()) else { return Ok(()) };
        if self.scenario.lenient && act.job().is_some_and(|job| !self.jobs.contains_key(job)) {
            return Ok(());
        }
        let done = match &act {
            Act::Submit(spec) => return self.submit_all(spec).await,
            Act::Set(flag) => {
                self.flags.insert(flag.clone());
                return Ok(());
            }
            Act::Group(spec) => return self.group(spec).await,
            Act::StartGroup(name) => {
                let group = *self.groups.get(name).ok_or_else(|| Trouble::Unknown(name.clone()))?;
                self.store.start_group(group).await
            }
            Act::Start(name) => self.store.start(self.job(name)?).await,
            Act::Cancel(name) => {
                let cause = ropewalk_model::status::Cause::Cancelled;
                self.store.cancel(self.job(name)?, cause).await.map(|_| ())
            }
            Act::Restart(name) => self.store.restart(self.job(name)?).await,
            Act::Bump(name) => {
                let work = self.store.root_work(self.job(name)?).await.map_err(store("look up a work"))?;
                self.store.bump(work).await
            }
        };
        match done {
            Err(StoreError::Refused(_)) if self.scenario.lenient => Ok(()),
            done => done.map_err(store(&format!("{act:?}"))),
        }
    }

    fn job(&self, name: &str) -> Result<JobId, Trouble> {
        self.jobs.get(name).copied().ok_or_else(|| Trouble::Unknown(format!("job {name}")))
    }

    async fn owner(&mut self, name: &str) -> Result<UserId, Trouble> {
        if let Some(user) = self.users.get(name) {
            return Ok(*user);
        }
        let new = NewUser {
            name: name.to_owned(),
            email: format!("{name}@example.org"),
            roles: BTreeSet::new(),
            password_hash: None,
        };
        let user = self.store.create_user(new).await.map_err(store("make a user"))?;
        self.users.insert(name.to_owned(), user.id);
        Ok(user.id)
    }

    async fn submit_all(&mut self, spec: &SubmitSpec) -> Result<(), Trouble> {
        match spec.repeat {
            None => self.submit(spec, "").await,
            Some(times) => {
                for number in 1..=times {
                    self.submit(spec, &format!("-{number}")).await?;
                }
                Ok(())
            }
        }
    }

    async fn submit(&mut self, spec: &SubmitSpec, suffix: &str) -> Result<(), Trouble> {
        let positions: BTreeMap<&str, usize> =
            spec.works.iter().enumerate().map(|(at, work)| (work.name.as_str(), at)).collect();
        let position = |name: &str| {
            positions
                .get(name)
                .map(|at| WorkRef::New(*at))
                .ok_or_else(|| Trouble::Unknown(format!("work {name}")))
        };
        let mut submission = Submission::default();
        for work in &spec.works {
            let needs = work.needs.iter().map(|name| position(name)).collect::<Result<Vec<_>, _>>()?;
            submission.works.push(self.new_work(work, suffix, needs)?);
        }
        for job in &spec.jobs {
            let owner = self.owner(&job.owner).await?;
            submission.jobs.push(new_job(job, owner, position(&job.root)?, &spec.works));
        }
        let made = self.store.submit(submission).await.map_err(store("submit"))?;
        for (job, id) in spec.jobs.iter().zip(made.jobs) {
            self.jobs.insert(format!("{}{suffix}", job.name), id);
        }
        Ok(())
    }

    fn new_work(&mut self, spec: &WorkSpec, suffix: &str, needs: Vec<WorkRef>) -> Result<NewWork, Trouble> {
        let name = format!("{}{suffix}", spec.name);
        let mut steps = spec.steps.clone();
        if let Some(first) = steps.first_mut() {
            *first = format!("# {name}\n{first}");
        }
        let plan = dummy::plan(&steps).map_err(|e| Trouble::File(e.to_string()))?;
        let not_before = spec.after.map(|after| self.clock.now().plus(Duration::from_secs(after)));
        if let Some(at) = not_before {
            self.plan(at, Due::Release);
        }
        self.groups_of_works.insert(name.clone(), spec.share.group.clone());
        Ok(NewWork {
            key: spec.shared.then(|| name.clone()),
            plan,
            requirement: Requirement {
                kind: spec.kind.clone(),
                arch: None,
                image: None,
                features: BTreeSet::new(),
            },
            share_group: (spec.share.group.clone(), spec.share.shares),
            priority: spec.priority,
            not_before,
            needs,
            loss: Loss { attempts: spec.attempts, cause: spec.lost },
            ended: None,
        })
    }

    async fn group(&mut self, spec: &GroupSpec) -> Result<(), Trouble> {
        let jobs = spec.jobs.iter().map(|name| self.job(name)).collect::<Result<Vec<_>, _>>()?;
        let owner = self.owner(&spec.owner).await?;
        let new =
            NewGroup { owner, jobs, triggers: spec.triggers.clone(), note: None, execute: spec.execute };
        let group = self.store.create_group(new).await.map_err(store("make a group"))?;
        self.groups.insert(spec.name.clone(), group.id);
        Ok(())
    }
}

fn new_job(spec: &JobSpec, owner: UserId, root: WorkRef, works: &[WorkSpec]) -> NewJob {
    let steps = works.iter().find(|work| work.name == spec.root).map_or(0, |work| work.steps.len());
    NewJob {
        kind: spec.kind,
        owner,
        visibility: Visibility::Unlisted,
        manifest: format!("# {}\n", spec.name),
        note: None,
        tags: vec![],
        image: None,
        secrets: false,
        steps: (0..steps).map(|step| format!("s{step}")).collect(),
        triggers: spec.triggers.clone(),
        root,
        execute: spec.execute,
    }
}

/// Says what was tried when the store refused it.
pub(super) fn store(what: &str) -> impl Fn(StoreError) -> Trouble {
    let what = what.to_owned();
    move |error| Trouble::Store { what: what.clone(), error }
}
