//! What holds at the end of every scenario.

use super::world::store;
use super::{Trouble, World};
use ropewalk_core::port::Jobs;
use ropewalk_model::event::{Event, Fact};
use ropewalk_model::job::Job;
use ropewalk_model::status::JobStatus;

/// Longest list of events that is looked at.
const EVENTS: u32 = 10_000;

impl World {
    /// Events of a job by its name.
    pub(super) async fn events_of(&self, job: &Job) -> Result<Vec<Event>, Trouble> {
        self.store.events(job.id, 0, EVENTS).await.map_err(store("list events"))
    }

    /// Every job of the scenario, by name.
    pub async fn all_jobs(&self) -> Result<Vec<(String, Job)>, Trouble> {
        let mut jobs = Vec::new();
        for (name, id) in &self.jobs {
            let job = self.store.job(*id).await.map_err(store("look up a job"))?;
            jobs.push((name.clone(), job.ok_or_else(|| Trouble::Unknown(format!("job {name}")))?));
        }
        Ok(jobs)
    }

    /// Every job has ended, once a round.
    pub async fn nobody_waits(&self) -> Result<(), Trouble> {
        for (name, job) in self.all_jobs().await? {
            if !job.status.is_final() {
                return Err(Trouble::Broken(format!(
                    "job {name} is {} and nothing is left to happen",
                    job.status
                )));
            }
        }
        Ok(())
    }

    /// Events have no gaps, follow the state machine, and end each round once.
    pub async fn events_tell_a_story(&self) -> Result<(), Trouble> {
        for (name, job) in self.all_jobs().await? {
            let events = self.events_of(&job).await?;
            if let Some(what) = flaw(&job, &events) {
                return Err(Trouble::Broken(format!("the events of job {name}: {what}")));
            }
        }
        Ok(())
    }
}

fn flaw(job: &Job, events: &[Event]) -> Option<String> {
    let gap = (1_i64..).zip(events).find(|(number, event)| *number != event.number);
    if let Some((number, _)) = gap {
        return Some(format!("number {number} is missing"));
    }
    let (mut round, mut status) = (1, JobStatus::Pending);
    for event in events {
        let Fact::Status { round: of, status: next, .. } = event.fact else { continue };
        let reopened = of == round + 1 && status.is_final() && next == JobStatus::Queued;
        let moved = of == round && status.may_become(next);
        if !reopened && !moved {
            return Some(format!("{status} in round {round} became {next} in round {of}"));
        }
        (round, status) = (of, next);
    }
    ((round, status) != (job.round, job.status)).then(|| {
        format!("they end with {status} in round {round}, the job is {} in round {}", job.status, job.round)
    })
}
