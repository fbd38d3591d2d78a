//! Carries a scenario out.

use super::agent::{Agent, Held};
use super::{Act, GroupSpec, JobSpec, Scenario, SubmitSpec, Trouble, WorkSpec};
use crate::clock::FakeClock;
use crate::dummy;
use ropewalk_core::port::{
    Clock, Finish, Identity, Jobs, Loss, NewGroup, NewJob, NewUser, NewWork, Queue, StoreError, Submission,
    WorkRef,
};
use ropewalk_model::ids::{AttemptId, GroupId, JobId, UserId, WorkId};
use ropewalk_model::job::Visibility;
use ropewalk_model::link::{Outcome, Report, Verdict};
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
    clock: Arc<FakeClock>,
    scenario: Scenario,
    agents: Vec<Agent>,
    due: BinaryHeap<Reverse<(Time, u64, Due)>>,
    steps: u64,
    users: BTreeMap<String, UserId>,
    pub(super) jobs: BTreeMap<String, JobId>,
    pub(super) groups: BTreeMap<String, GroupId>,
    flags: BTreeSet<String>,
    /// Works that a runner holds, by what the store promised about them.
    leased: BTreeMap<WorkId, AttemptId>,
    names: BTreeSet<String>,
    /// Attempts at each work.
    attempts: BTreeMap<WorkId, i64>,
    /// How often each work was handed out, by name.
    pub(super) runs: BTreeMap<String, u64>,
    /// Seconds that works of each share group ran until they ended.
    pub(super) seconds: BTreeMap<String, u64>,
    groups_of_works: BTreeMap<String, String>,
}

/// Something that happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
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

    fn plan(&mut self, at: Time, due: Due) {
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

    /// Every runner with a free slot asks. One that gets less than it asked for speaks for all of its kind.
    async fn ask_for_work(&mut self) -> Result<(), Trouble> {
        let mut sated = BTreeSet::new();
        for at in 0..self.agents.len() {
            let Some(agent) = self.agents.get(at) else { continue };
            let (id, free, kind) = (agent.id, agent.free(), agent.spec.kind.clone());
            if free == 0 || sated.contains(&kind) {
                continue;
            }
            let lease_for = Duration::from_secs(self.scenario.lease);
            let leases = self.store.lease_next(id, free, lease_for).await.map_err(store("lease"))?;
            if leases.len() < usize::try_from(free).unwrap_or(usize::MAX) {
                sated.insert(kind);
            }
            for lease in leases {
                self.take(at, lease)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, at: usize, lease: ropewalk_core::port::Lease) -> Result<(), Trouble> {
        let plan = lease.plan.open().map_err(|e| Trouble::Broken(e.to_string()))?;
        let name = plan.steps.first().and_then(|step| step.script.lines().next());
        let name = name.map(|line| line.trim_start_matches("# ").to_owned()).unwrap_or_default();
        if let Some(other) = self.leased.insert(lease.work, lease.attempt) {
            return Err(Trouble::Broken(format!(
                "work {name} is leased twice: attempts {other} and {}",
                lease.attempt
            )));
        }
        let key = self.scenario_key(&name);
        if let Some(key) = key
            && !self.names.insert(key)
        {
            return Err(Trouble::Broken(format!("two works for {name} are leased at once")));
        }
        *self.runs.entry(name.clone()).or_default() += 1;
        let attempts = self.attempts.entry(lease.work).or_default();
        *attempts += 1;
        let attempt_number = *attempts;
        let mut course =
            dummy::course(&plan, attempt_number, &self.flags).map_err(|e| Trouble::File(e.to_string()))?;
        let Some(agent) = self.agents.get_mut(at) else { return Ok(()) };
        if agent.spec.vanishes {
            course.outcome = None;
            course.facts.clear();
        }
        if !agent.spec.reports {
            course.facts.clear();
        }
        let (now, attempt) = (self.clock.now(), lease.attempt);
        let facts: Vec<Duration> = course.facts.iter().map(|(after, _)| *after).collect();
        let (ends, alive, reports) = (course.ends, course.outcome.is_some(), agent.spec.reports);
        let renew = alive && reports && !std::mem::replace(&mut agent.renewing, true);
        let until = lease.until;
        agent.held.insert(attempt, Held { lease, name, course, reported: 0 });
        for after in facts {
            self.plan(now.plus(after), Due::Fact(at, attempt));
        }
        if alive {
            self.plan(now.plus(ends), Due::End(at, attempt));
        }
        if renew {
            self.plan(now.plus(self.renewal()), Due::Renew(at));
        }
        if !(alive && reports) {
            self.plan(until, Due::Expire);
        }
        Ok(())
    }

    /// Works of this name are shared, so that two of them must never run at once.
    fn scenario_key(&self, name: &str) -> Option<String> {
        let shared = self.scenario.timeline.iter().any(|timed| match &timed.act {
            Act::Submit(spec) => spec.works.iter().any(|work| work.shared && work.name == name),
            _ => false,
        });
        shared.then(|| name.to_owned())
    }

    fn renewal(&self) -> Duration {
        Duration::from_secs((self.scenario.lease / 3).max(1))
    }

    async fn report(&mut self, at: usize, attempt: AttemptId) -> Result<(), Trouble> {
        let now = self.clock.now();
        let Some(held) = self.agents.get_mut(at).and_then(|agent| agent.held.get_mut(&attempt)) else {
            return Ok(());
        };
        let Some((number, fact)) = held.next_fact() else { return Ok(()) };
        held.reported += 1;
        let report = Report { attempt, fence: held.lease.fence, number, at: now, fact };
        self.store.record(&report).await.map_err(store("record"))
    }

    /// Ends an attempt as its course says, or otherwise.
    async fn end(&mut self, at: usize, attempt: AttemptId, other: Option<Outcome>) -> Result<(), Trouble> {
        let Some(held) = self.agents.get_mut(at).and_then(|agent| agent.held.remove(&attempt)) else {
            return Ok(());
        };
        self.forget(&held);
        if let Some(group) = self.groups_of_works.get(&held.name) {
            *self.seconds.entry(group.clone()).or_default() += held.course.ends.as_secs();
        }
        let Some(outcome) = other.or(held.course.outcome) else { return Ok(()) };
        let finish = Finish { attempt, fence: held.lease.fence, outcome, logs: vec![] };
        self.store.finish(finish).await.map(|_| ()).map_err(store("finish"))
    }

    fn forget(&mut self, held: &Held) {
        self.leased.remove(&held.lease.work);
        self.names.remove(&held.name);
    }

    async fn renew(&mut self, at: usize) -> Result<(), Trouble> {
        let Some(agent) = self.agents.get_mut(at) else { return Ok(()) };
        let held: Vec<_> = agent
            .held
            .values()
            .filter(|held| held.is_alive())
            .map(|held| (held.lease.attempt, held.lease.fence))
            .collect();
        agent.renewing = !held.is_empty();
        if held.is_empty() {
            return Ok(());
        }
        let lease_for = Duration::from_secs(self.scenario.lease);
        let renewals = self.store.renew(agent.id, &held, lease_for).await.map_err(store("renew"))?;
        for renewal in renewals {
            match renewal.verdict {
                Verdict::Go { .. } => {}
                Verdict::Cancel { cause, .. } => {
                    let outcome = Outcome::Failure { cause, message: "as it was told".into() };
                    self.end(at, renewal.attempt, Some(outcome)).await?;
                }
                Verdict::Superseded => {
                    return Err(Trouble::Broken(format!(
                        "attempt {} was taken from a living runner",
                        renewal.attempt
                    )));
                }
            }
        }
        self.plan(self.clock.now().plus(self.renewal()), Due::Renew(at));
        Ok(())
    }

    async fn expire(&mut self) -> Result<(), Trouble> {
        for lost in self.store.expire(Time(0), 1000).await.map_err(store("expire"))? {
            for agent in &mut self.agents {
                if let Some(held) = agent.held.remove(&lost.attempt) {
                    if held.is_alive() {
                        return Err(Trouble::Broken(format!(
                            "attempt {} ran out although its runner lives",
                            lost.attempt
                        )));
                    }
                    self.leased.remove(&held.lease.work);
                    self.names.remove(&held.name);
                    if agent.spec.vanishes {
                        agent.spec.slots = 0;
                    }
                }
            }
        }
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
