//! From a jobset that is due to an evaluation in the queue.

use super::inputs;
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{DueJobset, Loss, NewEvaluation, NewJob, NewWork, Submission, WorkRef};
use ropewalk_model::job::{JobKind, Visibility};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::nix::{Evaluation, KIND, NixTask};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use ropewalk_model::work::Requirement;
use std::collections::BTreeSet;

/// Evaluations go before builds of the same jobset.
const PRIORITY: i32 = 1_000_000;

impl Farm {
    /// Starts what is due, as far as evaluations may run at once. A jobset that cannot be started does not keep others
    /// from it.
    pub(in crate::nix) async fn start_evaluations(&self) -> Result<(), Error> {
        let at_once = self.settings.nix.max_evaluations.max(1);
        for due in self.store.due_jobsets(at_once).await? {
            let (jobset, triggered) = (due.jobset.id, due.jobset.progress.triggered);
            let Err(error) = self.start_evaluation(&due, at_once).await else { continue };
            if error.kind == Kind::Unavailable {
                return Err(error);
            }
            let (project, name) = (&due.jobset.project_name, &due.jobset.name);
            tracing::error!("the jobset {project}:{name} cannot be evaluated: {error}");
            let why = format!("the evaluation cannot be started: {error}");
            self.store.refuse_evaluation(jobset, triggered, &why).await?;
        }
        Ok(())
    }

    async fn start_evaluation(&self, due: &DueJobset, at_once: u32) -> Result<(), Error> {
        let (jobset, triggered) = (due.jobset.id, due.jobset.progress.triggered);
        match inputs::inputs(&*self.store, &due.jobset).await? {
            Ok(inputs) => {
                let submission = self.evaluation_submission(due, inputs)?;
                let new = NewEvaluation { jobset, triggered, at_once, submission };
                if let Some(job) = self.store.start_evaluation(new).await? {
                    let (project, name) = (&due.jobset.project_name, &due.jobset.name);
                    tracing::info!(%job, "the jobset {project}:{name} is evaluated");
                }
            }
            Err(why) => self.store.refuse_evaluation(jobset, triggered, &why).await?,
        }
        Ok(())
    }

    fn evaluation_submission(&self, due: &DueJobset, inputs: inputs::Inputs) -> Result<Submission, Error> {
        let settings = &self.settings.nix;
        let jobset = &due.jobset;
        let evaluation = Evaluation {
            inputs,
            expression_input: jobset.fields.expression_input.clone(),
            expression_path: jobset.fields.expression_path.clone(),
            unless: due.newest_hash.clone().filter(|_| !jobset.progress.is_forced),
            import_from_derivation: settings.import_from_derivation,
            limits: settings.evaluation.clone(),
        };
        let manifest = serde_json::to_string_pretty(&evaluation).map_err(Error::internal)?;
        let limits = BuildLimits {
            build_time: evaluation.limits.time,
            memory: evaluation.limits.memory,
            ..self.settings.builds.clone()
        };
        let plan = Plan::of_nix(NixTask::Evaluate(Box::new(evaluation)), limits);
        let work = NewWork {
            key: None,
            plan: plan.seal().map_err(Error::internal)?,
            requirement: Requirement {
                kind: KIND.into(),
                arch: None,
                image: None,
                features: BTreeSet::new(),
            },
            share_group: share_group(&jobset.project_name, &jobset.name, jobset.fields.shares),
            priority: PRIORITY,
            not_before: None,
            needs: vec![],
            loss: Loss { attempts: self.settings.requests.attempts.max(1), cause: Cause::RunnerLost },
            ended: None,
        };
        let job = NewJob {
            kind: JobKind::HydraEvaluation,
            owner: due.owner,
            visibility: visibility(due.is_hidden),
            manifest,
            note: Some(format!("Evaluation of {}:{}", jobset.project_name, jobset.name)),
            tags: vec![],
            image: None,
            secrets: false,
            steps: vec![],
            triggers: vec![],
            root: WorkRef::New(0),
            execute: true,
        };
        Ok(Submission { works: vec![work], jobs: vec![job], open_jobs_limit: None })
    }
}

/// Who pays for what a jobset asks for.
pub(super) fn share_group(project: &str, jobset: &str, shares: i32) -> (String, i32) {
    (format!("jobset:{project}/{jobset}"), shares.max(1))
}

/// Who may know of a jobset's jobs.
pub(super) fn visibility(is_hidden: bool) -> Visibility {
    if is_hidden { Visibility::Unlisted } else { Visibility::Public }
}
