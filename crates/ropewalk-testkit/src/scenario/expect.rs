//! What must have come of a scenario.

use super::world::store;
use super::{Trouble, World};
use ropewalk_core::port::{Deliveries, Delivery, Jobs, TriggerAction};
use ropewalk_model::event::Fact;
use ropewalk_model::status::{Cause, JobStatus, StepStatus};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// All that is named must be so; what is not named may be as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expectation {
    /// Jobs by name.
    pub jobs: BTreeMap<String, JobExpectation>,
    /// How many of all jobs are in which status; those that are not named are in none.
    pub statuses: Option<BTreeMap<String, u64>>,
    /// How often works were handed out, by name.
    pub runs: BTreeMap<String, u64>,
    /// All deliveries, in order: `job NAME URL` or `group NAME URL`.
    pub deliveries: Option<Vec<String>>,
    /// How the time was divided.
    pub ratios: Vec<Ratio>,
    /// Jobs may be left open, because the scenario ends before they do.
    pub unfinished: bool,
}

/// A job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobExpectation {
    /// Its status.
    pub status: Option<JobStatus>,
    /// Its cause.
    pub cause: Option<Cause>,
    /// Its round.
    pub round: Option<i32>,
    /// All its statuses, in order.
    pub history: Option<Vec<JobStatus>>,
    /// Its steps.
    pub steps: Option<Vec<StepStatus>>,
    /// Attempts at its root work, over all rounds.
    pub attempts: Option<usize>,
    /// Seconds between its submission and its end.
    pub took: Option<u64>,
}

/// Seconds that one share group used for each of another's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ratio {
    /// One share group.
    pub of: String,
    /// The other.
    pub to: String,
    /// What it tends to.
    pub is: f64,
    /// How far from that it may be.
    pub within: f64,
}

impl World {
    /// Compares what came of the scenario, and names every difference at once.
    pub async fn compare(&self, expected: &Expectation) -> Result<(), Trouble> {
        let mut differences = Vec::new();
        for (name, expected) in &expected.jobs {
            self.compare_job(name, expected, &mut differences).await?;
        }
        if let Some(statuses) = &expected.statuses {
            let mut found: BTreeMap<String, u64> = BTreeMap::new();
            for (_, job) in self.all_jobs().await? {
                *found.entry(job.status.to_string()).or_default() += 1;
            }
            differ("statuses", statuses, &found, &mut differences);
        }
        for (name, runs) in &expected.runs {
            let found = self.runs.get(name).copied().unwrap_or_default();
            differ(&format!("runs of {name}"), runs, &found, &mut differences);
        }
        for ratio in &expected.ratios {
            self.compare_ratio(ratio, &mut differences);
        }
        if let Some(deliveries) = &expected.deliveries {
            differ("deliveries", deliveries, &self.deliveries().await?, &mut differences);
        }
        if differences.is_empty() { Ok(()) } else { Err(Trouble::Unexpected(differences.join("\n"))) }
    }

    async fn compare_job(
        &self,
        name: &str,
        expected: &JobExpectation,
        differences: &mut Vec<String>,
    ) -> Result<(), Trouble> {
        let id = *self.jobs.get(name).ok_or_else(|| Trouble::Unknown(format!("job {name}")))?;
        let job = self.store.job(id).await.map_err(store("look up a job"))?;
        let job = job.ok_or_else(|| Trouble::Unknown(format!("job {name}")))?;
        let mut check = |what: &str, same: bool, text: String| {
            if !same {
                differences.push(format!("{what} of job {name}: {text}"));
            }
        };
        if let Some(status) = expected.status {
            check("status", job.status == status, format!("{} instead of {status}", job.status));
        }
        if expected.cause.is_some() {
            check(
                "cause",
                job.cause == expected.cause,
                format!("{:?} instead of {:?}", job.cause, expected.cause),
            );
        }
        if let Some(round) = expected.round {
            check("round", job.round == round, format!("{} instead of {round}", job.round));
        }
        if let Some(took) = expected.took {
            let found = job.ended.map(|ended| ended.since(job.created).as_secs());
            check("time", found == Some(took), format!("{found:?} s instead of {took}"));
        }
        if let Some(history) = &expected.history {
            let events = self.events_of(&job).await?;
            let status = |fact: &Fact| match fact {
                Fact::Status { status, .. } => Some(*status),
                _ => None,
            };
            let found: Vec<_> = events.iter().filter_map(|event| status(&event.fact)).collect();
            check("history", found == *history, format!("{found:?} instead of {history:?}"));
        }
        if let Some(steps) = &expected.steps {
            let found = self.store.steps(id).await.map_err(store("list steps"))?;
            let found: Vec<_> = found.iter().map(|step| step.status).collect();
            check("steps", found == *steps, format!("{found:?} instead of {steps:?}"));
        }
        if let Some(attempts) = expected.attempts {
            let found = self.store.attempts(id).await.map_err(store("list attempts"))?.len();
            check("attempts", found == attempts, format!("{found} instead of {attempts}"));
        }
        Ok(())
    }

    fn compare_ratio(&self, ratio: &Ratio, differences: &mut Vec<String>) {
        let seconds = |group: &str| {
            let seconds = self.seconds.get(group).copied().unwrap_or_default();
            f64::from(u32::try_from(seconds).unwrap_or(u32::MAX))
        };
        let found = seconds(&ratio.of) / seconds(&ratio.to);
        // Not the other way round: nothing divided by nothing must differ, too.
        let same = (found - ratio.is).abs() <= ratio.within;
        if !same {
            differences.push(format!(
                "{} used {found:.3} times the seconds of {} instead of {} ± {}",
                ratio.of, ratio.to, ratio.is, ratio.within
            ));
        }
    }

    /// All deliveries that were decided, as text; taken as a sender would.
    async fn deliveries(&self) -> Result<Vec<String>, Trouble> {
        let taken = self.store.take_deliveries(10_000, Duration::from_secs(60)).await;
        Ok(taken.map_err(store("take deliveries"))?.iter().map(|delivery| self.tell(delivery)).collect())
    }

    fn tell(&self, delivery: &Delivery) -> String {
        let job = self
            .jobs
            .iter()
            .find(|(_, id)| Some(**id) == delivery.job)
            .map(|(name, _)| format!("job {name}"));
        let group = self
            .groups
            .iter()
            .find(|(_, id)| Some(**id) == delivery.group)
            .map(|(name, _)| format!("group {name}"));
        let target = match &delivery.action {
            TriggerAction::Webhook { url } => url,
            TriggerAction::Email { to, .. } => to,
        };
        format!("{} {target}", job.or(group).unwrap_or_else(|| "nobody".into()))
    }
}

fn differ<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &T,
    found: &T,
    differences: &mut Vec<String>,
) {
    if expected != found {
        differences.push(format!("{what}: {found:?} instead of {expected:?}"));
    }
}
