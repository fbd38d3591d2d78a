//! Jobsets: what is evaluated, and the wish that it be evaluated now.

use super::{DECLARED, words};
use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{Enabled, Jobset, JobsetFields, JobsetSave, JobsetTrigger, Project, Role, Saved};
use ropewalk_model::grant::Mode;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Jobsets or repositories that one push names.
const PUSH_MAX: usize = 100;
/// Jobsets that one push triggers.
const PUSHED_MAX: u32 = 1000;
/// Between evaluations that people without rights ask for.
const REST: Duration = Duration::from_secs(5);

/// A jobset as it is to be.
#[derive(Clone, Debug, Default)]
pub struct JobsetWish {
    /// The name; none: the one that it is asked by.
    pub name: Option<String>,
    /// Replaces all.
    pub fields: JobsetFields,
}

/// A wish that jobsets be evaluated.
#[derive(Clone, Debug, Default)]
pub struct Push {
    /// Names of projects and jobsets.
    pub jobsets: Vec<(String, String)>,
    /// Values of inputs.
    pub repos: Vec<String>,
    /// Also if they are disabled, or their inputs are the same.
    pub is_forced: bool,
}

/// What became of a [`Push`]: `PROJECT:JOBSET` of those that will be evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed(pub Vec<String>);

impl Farm {
    /// Jobsets of a project: hidden ones last and for those who may change them only, enabled ones first, then by name.
    pub async fn jobsets(&self, by: &Caller, project: &str) -> Result<Vec<Jobset>, Error> {
        let project = self.project(by, project).await?;
        let mut jobsets = self.store.jobsets(project.id).await?;
        if access::change_project(by, &project).is_err() {
            jobsets.retain(|jobset| !jobset.fields.is_hidden);
        }
        Ok(jobsets)
    }

    /// A jobset.
    pub async fn jobset(&self, by: &Caller, project: &str, name: &str) -> Result<Jobset, Error> {
        access::projects(by, Mode::Ro)?;
        match self.known_jobset(project, name).await? {
            Some(jobset) => Ok(jobset),
            None => {
                self.project(by, project).await?;
                let shown: String = name.chars().take(64).collect();
                Err(Error::missing(format_args!("jobset {shown:?} in the project {project}")))
            }
        }
    }

    /// The name now of a jobset that was once called so.
    pub async fn renamed_jobset(
        &self,
        by: &Caller,
        project: &str,
        old: &str,
    ) -> Result<Option<String>, Error> {
        access::projects(by, Mode::Ro)?;
        match words::project(project).is_ok() && words::jobset(old).is_ok() {
            true => Ok(self.store.renamed_jobset(project, old).await?),
            false => Ok(None),
        }
    }

    /// Jobsets that are not hidden and whose name or description holds this, at most `limit`.
    pub async fn find_jobsets(&self, by: &Caller, text: &str, limit: u32) -> Result<Vec<Jobset>, Error> {
        access::projects(by, Mode::Ro)?;
        Ok(self.store.find_jobsets(text, limit).await?)
    }

    /// Makes a jobset or replaces it.
    pub async fn save_jobset(
        &self,
        by: &Caller,
        project: &str,
        name: &str,
        wish: JobsetWish,
    ) -> Result<(String, Saved), Error> {
        let project = self.project(by, project).await?;
        access::change_project(by, &project)?;
        by_hand(&project)?;
        let new = wish.name.unwrap_or_else(|| name.into());
        words::not_declared(&new)?;
        let fields = words::jobset_fields(wish.fields)?;
        for input in fields.inputs.values() {
            self.check_local(by, input.kind, &input.value)?;
        }
        let save = JobsetSave {
            project: project.id,
            known_as: name.into(),
            name: new.clone(),
            fields,
            is_trusted: access::local_inputs(by).is_ok(),
        };
        Ok((new, self.store.save_jobset(save).await?))
    }

    /// Removes a jobset and all that belongs to it.
    pub async fn delete_jobset(&self, by: &Caller, project: &str, name: &str) -> Result<(), Error> {
        let jobset = self.jobset(by, project, name).await?;
        access::delete_jobset(by)?;
        by_hand(&self.project(by, project).await?)?;
        self.store.delete_jobset(jobset.id).await?;
        self.leases.wake();
        Ok(())
    }

    /// Notes that jobsets are to be evaluated. Those that are not there, or are disabled, are left out.
    pub async fn push(&self, by: &Caller, push: Push) -> Result<Pushed, Error> {
        if push.jobsets.len() > PUSH_MAX || push.repos.len() > PUSH_MAX {
            let message = format!("a push names at most {PUSH_MAX} jobsets and as many repositories");
            return Err(Error::malformed(message));
        }
        let mut found: BTreeMap<i64, (Jobset, bool)> = BTreeMap::new();
        for (project, name) in push.jobsets.iter().collect::<BTreeSet<_>>() {
            let named = self.known_jobset(project, name).await?;
            found.extend(named.map(|jobset| (jobset.id, (jobset, true))));
        }
        for value in push.repos.iter().collect::<BTreeSet<_>>() {
            let left = PUSHED_MAX.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            for jobset in self.store.jobsets_with_input(value, left).await? {
                found.entry(jobset.id).or_insert((jobset, false));
            }
        }
        self.trigger(by, found.into_values().collect(), push.is_forced).await
    }

    /// Each jobset with whether it was named; what was found by a repository only and the caller may not push is left
    /// out, unless nothing else is there.
    async fn trigger(
        &self,
        by: &Caller,
        found: Vec<(Jobset, bool)>,
        is_forced: bool,
    ) -> Result<Pushed, Error> {
        let (mut pushed, mut triggers, mut refused) = (Pushed::default(), vec![], None);
        let mut projects: HashMap<i64, Option<Project>> = HashMap::new();
        for (jobset, is_named) in found {
            let project = match projects.entry(jobset.project) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.store.project(&jobset.project_name).await?),
            };
            // It was removed meanwhile.
            let Some(project) = project else { continue };
            let may = access::operate(by, project, Role::EvalJobset);
            if let (Err(error), true) = (&may, is_forced || self.settings.nix.push_requires_login) {
                if is_named {
                    return Err(error.clone());
                }
                refused.get_or_insert_with(|| error.clone());
                continue;
            }
            access::push(by)?;
            let is_on = project.fields.is_enabled && jobset.fields.enabled != Enabled::Off;
            if is_on || is_forced {
                let rest = if may.is_ok() { Duration::ZERO } else { REST };
                triggers.push(JobsetTrigger { jobset: jobset.id, is_forced, rest });
                pushed.0.push(format!("{}:{}", jobset.project_name, jobset.name));
            }
        }
        match refused {
            Some(error) if triggers.is_empty() => return Err(error),
            _ => self.store.trigger_jobsets(triggers).await?,
        }
        Ok(pushed)
    }

    async fn known_jobset(&self, project: &str, name: &str) -> Result<Option<Jobset>, Error> {
        match words::project(project).is_ok() && (name == DECLARED || words::jobset(name).is_ok()) {
            true => Ok(self.store.jobset(project, name).await?),
            false => Ok(None),
        }
    }
}

/// Passes projects whose jobsets people make and change themselves.
fn by_hand(project: &Project) -> Result<(), Error> {
    match &project.fields.declarative {
        None => Ok(()),
        Some(declarative) => Err(Error::new(
            Kind::Forbidden,
            format!(
                "the jobsets of {} are to come from {}, which this server does not read yet: take the project's file of \
                 jobsets away to change them by hand",
                project.name, declarative.file
            ),
        )),
    }
}
