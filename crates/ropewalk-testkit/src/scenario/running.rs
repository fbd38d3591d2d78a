//! What the runners of a scenario do.

use super::agent::Held;
use super::world::{Due, store};
use super::{Act, Trouble, World};
use crate::dummy;
use ropewalk_core::port::{Clock, Finish, Lease, Queue};
use ropewalk_model::ids::AttemptId;
use ropewalk_model::link::{Outcome, Report, Verdict};
use ropewalk_model::time::Time;
use std::collections::BTreeSet;
use std::time::Duration;

impl World {
    /// Every runner with a free slot asks. One that gets less than it asked for speaks for all of its kind.
    pub(super) async fn ask_for_work(&mut self) -> Result<(), Trouble> {
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

    fn take(&mut self, at: usize, lease: Lease) -> Result<(), Trouble> {
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

    pub(super) async fn report(&mut self, at: usize, attempt: AttemptId) -> Result<(), Trouble> {
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
    pub(super) async fn end(
        &mut self,
        at: usize,
        attempt: AttemptId,
        other: Option<Outcome>,
    ) -> Result<(), Trouble> {
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

    pub(super) async fn renew(&mut self, at: usize) -> Result<(), Trouble> {
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

    pub(super) async fn expire(&mut self) -> Result<(), Trouble> {
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
