//! Groups: jobs that are started together, and what is done when all of them have ended.

use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{Group, NewGroup, Trigger};
use crate::submit::labels;
use ropewalk_model::grant::{Mode, Scope};
use ropewalk_model::ids::{GroupId, JobId};
use ropewalk_model::job::JobKind;

/// A group to be made.
#[derive(Clone, Debug)]
pub struct GroupWish {
    /// Its members: the caller's own pending jobs that are in no group.
    pub jobs: Vec<JobId>,
    /// What is done when all have ended.
    pub triggers: Vec<Trigger>,
    /// Free text, markdown. Empty is none.
    pub note: Option<String>,
    /// Queue them at once.
    pub execute: bool,
}

impl Farm {
    /// Makes a group of pending builds.sr.ht jobs, or changes nothing.
    pub async fn create_group(&self, by: &Caller, wish: GroupWish) -> Result<Group, Error> {
        access::holds(by, Scope::Jobs, Mode::Rw)?;
        let owner = access::owner(by)?.id;
        let limits = &self.settings.requests;
        if wish.jobs.is_empty() {
            return Err(Error::malformed("a group needs at least one job").about("jobIds"));
        }
        if wish.jobs.len() > limits.group {
            let most = limits.group;
            let text = format!("a group has at most {most} jobs (limits.group)");
            return Err(Error::malformed(text).about("jobIds"));
        }
        for job in &wish.jobs {
            let found = self.store.job(*job).await?;
            if found.is_none_or(|job| job.kind != JobKind::Srht || job.owner != owner) {
                let text = format!("invalid list of job IDs: job {job} is not yours; no group was made");
                return Err(Error::new(Kind::Conflict, text).about("jobIds"));
            }
        }
        let GroupWish { jobs, triggers, note, execute } = wish;
        let note = labels::note(note, limits)?;
        Ok(self.store.create_group(NewGroup { owner, jobs, triggers, note, execute }).await?)
    }

    /// Queues the pending jobs of a group. Groups of others are as missing as no group.
    pub async fn start_group(&self, by: &Caller, number: GroupId) -> Result<Group, Error> {
        access::holds(by, Scope::Jobs, Mode::Rw)?;
        let group = self.group(by, number).await?;
        self.store.start_group(number).await?;
        Ok(group)
    }

    /// A group of the caller's. Groups of others are as missing as no group.
    pub async fn group(&self, by: &Caller, number: GroupId) -> Result<Group, Error> {
        access::holds(by, Scope::Jobs, Mode::Ro)?;
        let group = self.store.group(number).await?.filter(|group| access::owns(by, group.owner));
        group.ok_or_else(|| Error::missing(format_args!("job group {number} of your account")))
    }

    /// Ends the jobs of a group that have not ended yet; running ones end when their runners have reported so.
    pub async fn cancel_group(&self, by: &Caller, number: GroupId) -> Result<Group, Error> {
        access::holds(by, Scope::Jobs, Mode::Rw)?;
        let group = self.group(by, number).await?;
        for job in &group.jobs {
            match self.cancel(by, *job).await {
                Err(error) if error.kind == Kind::Refused => {}
                outcome => drop(outcome?),
            }
        }
        Ok(group)
    }
}
