//! From an evaluation that ended to builds in the queue.

use super::decide::{Decision, Member, decide, identity};
use super::start::{share_group, visibility};
use super::works::{Seconds, Terms, Works, is_word, works};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::nix::{Projection, without_nul};
use crate::port::{
    BlobRef, EndedEvaluation, Evaluated, EvaluatedJobset, NewDerivation, NewJob, NewMember, NewNixBuild,
    RetriedBuild, Retry, Submission, TakeOver, Taken, WorkRef,
};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::JobKind;
use ropewalk_model::nix::{EvaluationResult, Found, FoundJob};
use ropewalk_model::status::{Cause, JobStatus};
use ropewalk_model::time::Time;
use std::collections::BTreeSet;

/// Evaluations of one look.
const BATCH: u32 = 16;
/// Bytes of a name or path that is looked up later: no database can index longer ones.
const NAME_MAX: usize = 1024;
/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

impl Farm {
    /// Takes over what has ended. One that cannot be taken over fails, so that its jobset is not stuck.
    pub(in crate::nix) async fn take_over_evaluations(&self) -> Result<(), Error> {
        loop {
            let ended = self.store.ended_evaluations(BATCH).await?;
            let mut put_off = None;
            for evaluation in &ended {
                match self.take_over(evaluation).await {
                    Ok(()) => {}
                    // The others need not wait for it.
                    Err(error) if error.kind == Kind::Unavailable => put_off = Some(error),
                    Err(error) => {
                        tracing::error!(job = %evaluation.job, "an evaluation could not be taken over: {error}");
                        let text = format!("the result of the evaluation cannot be used: {error}");
                        let result = Taken::Failed { text, again: true };
                        self.store.take_over(TakeOver { job: evaluation.job, result }).await?;
                    }
                }
            }
            match put_off {
                Some(error) => return Err(error),
                None if ended.len() < BATCH as usize => return Ok(()),
                None => {}
            }
        }
    }

    async fn take_over(&self, ended: &EndedEvaluation) -> Result<(), Error> {
        let result = match &ended.jobset {
            Some(jobset) => self.taken(ended, jobset).await?,
            None => Taken::Same,
        };
        self.store.take_over(TakeOver { job: ended.job, result }).await?;
        Ok(())
    }

    async fn taken(&self, ended: &EndedEvaluation, jobset: &EvaluatedJobset) -> Result<Taken, Error> {
        if ended.status != JobStatus::Success {
            return Ok(failed(ended));
        }
        let blob = ended.result.as_ref();
        let blob = blob.ok_or_else(|| Error::internal("the evaluation succeeded and left no result"))?;
        let result = self.read_result(blob).await?;
        match &result.found {
            None => Ok(Taken::Same),
            Some(found) => {
                let decision = decide(jobset.previous.as_deref(), found);
                let evaluated = self.evaluated(jobset, &result, found, decision).await?;
                Ok(Taken::Evaluated(Box::new(evaluated)))
            }
        }
    }

    async fn read_result(&self, blob: &BlobRef) -> Result<EvaluationResult, Error> {
        let limit = self.settings.nix.max_result;
        if blob.size > limit {
            let message = format!("the result has {} bytes, more than nix.max-result = {limit}", blob.size);
            return Err(Error::new(Kind::TooLarge, message));
        }
        let mut text = Vec::new();
        loop {
            let piece = self.blobs.read(blob, text.len() as u64, PIECE).await?;
            if piece.is_empty() {
                break;
            }
            text.extend(piece);
        }
        parse(text, self.settings.nix.evaluation.jobs)
    }

    async fn evaluated(
        &self,
        jobset: &EvaluatedJobset,
        result: &EvaluationResult,
        found: &Found,
        decision: Decision,
    ) -> Result<Evaluated, Error> {
        let new = decision.members.iter().filter_map(|member| match member {
            Member::New { position } => found.jobs.get(*position),
            Member::Known { .. } => None,
        });
        let new: Vec<&FoundJob> = new.collect();
        let again = again(found, &decision.members);
        let drv_paths = match new.is_empty() && again.is_empty() {
            true => vec![],
            false => found.derivations.keys().cloned().collect(),
        };
        let failed: BTreeSet<String> = self.store.failed_before(drv_paths).await?;
        let (now, terms) = (self.clock.now(), self.terms(jobset, result));
        let made = works(found, new.iter().copied(), &failed, &terms).map_err(Error::internal)?;
        let tried =
            works(found, again.iter().map(|(_, job)| *job), &failed, &terms).map_err(Error::internal)?;
        let mut jobs = Vec::with_capacity(new.len());
        for job in &new {
            jobs.push(build_job(jobset, job, &made)?);
        }
        Ok(Evaluated {
            hash: result.hash.clone(),
            checkout_time: result.checkout_time,
            evaluation_time: result.evaluation_time,
            inputs: result.inputs.clone(),
            errors: decision.errors,
            is_changed: decision.is_changed,
            members: members(now, found, &decision.members),
            constituents: decision.constituents,
            derivations: derivations(found, &made),
            retry: retry(now, found, &again, tried)?,
            submission: Submission { works: made.works, jobs, open_jobs_limit: None },
        })
    }

    fn terms(&self, jobset: &EvaluatedJobset, result: &EvaluationResult) -> Terms {
        let settings = &self.settings.nix;
        Terms {
            store: result.store.clone().filter(|store| is_word(store)),
            share_group: share_group(&jobset.project, &jobset.name, jobset.shares),
            timeout: Seconds { default: settings.timeout, most: settings.timeout_max },
            max_silent: Seconds { default: settings.max_silent, most: settings.max_silent_max },
            max_output: settings.max_output,
            priority: PRIORITY,
            attempts: self.settings.requests.attempts,
            limits: self.settings.builds.clone(),
        }
    }
}

fn build_job(jobset: &EvaluatedJobset, job: &FoundJob, works: &Works) -> Result<NewJob, Error> {
    let root = root(job, works)?;
    Ok(NewJob {
        kind: JobKind::HydraBuild,
        owner: jobset.owner,
        visibility: visibility(jobset.is_hidden),
        manifest: serde_json::to_string_pretty(job).map_err(Error::internal)?,
        note: Some(format!("{}:{}:{}", jobset.project, jobset.name, job.name)),
        tags: vec![],
        image: None,
        secrets: false,
        steps: vec!["build".into()],
        triggers: vec![],
        root: WorkRef::New(root),
        execute: true,
    })
}

fn members(now: Time, found: &Found, members: &[Member]) -> Vec<NewMember> {
    let mut next = 0;
    let mut made = Vec::with_capacity(members.len());
    for member in members {
        let Some(job) = found.jobs.get(member.position()) else { continue };
        made.push(match member {
            Member::Known { build, moved, .. } => {
                NewMember::Known { build: *build, drv_path: moved.then(|| job.drv_path.clone()) }
            }
            Member::New { .. } => {
                next += 1;
                NewMember::New(Box::new(NewNixBuild {
                    job: next - 1,
                    found: job.clone(),
                    makes: identity(job).to_owned(),
                    ended: ended_before(now, found, job),
                }))
            }
        });
    }
    made
}

/// Builds that are tried again, with what was found of their jobs.
fn again<'a>(found: &'a Found, members: &[Member]) -> Vec<(JobId, &'a FoundJob)> {
    let again = |member: &Member| match member {
        Member::Known { build, position, again: true, .. } => Some((*build, found.jobs.get(*position)?)),
        _ => None,
    };
    members.iter().filter_map(again).collect()
}

fn retry(now: Time, found: &Found, again: &[(JobId, &FoundJob)], works: Works) -> Result<Retry, Error> {
    let derivations = derivations(found, &works);
    let mut builds = Vec::with_capacity(again.len());
    for (build, job) in again {
        let root = root(job, &works)?;
        builds.push(RetriedBuild { build: *build, root, ended: ended_before(now, found, job) });
    }
    Ok(Retry { works: works.works, derivations, builds })
}

/// Position of the work of a job's derivation.
fn root(job: &FoundJob, works: &Works) -> Result<usize, Error> {
    let root = works.positions.get(&job.drv_path).copied();
    root.ok_or_else(|| Error::internal(format_args!("no work for {}", job.drv_path)))
}

/// How a build ends whose outputs are there already.
fn ended_before(now: Time, found: &Found, job: &FoundJob) -> Option<Projection> {
    let realised = found.derivations.get(&job.drv_path)?.realised.clone()?;
    Some(Projection::of_realised(realised, now))
}

/// Priority of a job that names none. Hydra's.
const PRIORITY: i32 = 100;

fn derivations(found: &Found, works: &Works) -> Vec<NewDerivation> {
    let derivation = |path: &String| NewDerivation {
        name: base_name(path).to_owned(),
        is_fixed: found.derivations.get(path).is_some_and(|derivation| derivation.is_fixed),
    };
    works.works.iter().filter_map(|work| work.key.as_ref()).map(derivation).collect()
}

/// The last part of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What is told of an evaluation that did not succeed.
fn failed(ended: &EndedEvaluation) -> Taken {
    let cause = ended.cause.unwrap_or(Cause::Infrastructure);
    let text = ended.message.clone().filter(|text| !text.is_empty());
    match cause {
        Cause::SourceFailed => {
            Taken::NotFetched(text.unwrap_or_else(|| "an input could not be fetched".into()))
        }
        Cause::Cancelled | Cause::Superseded => {
            let text = text.unwrap_or_else(|| "the evaluation was cancelled".into());
            Taken::Failed { text, again: true }
        }
        Cause::StepFailed | Cause::Timeout | Cause::Silence | Cause::MemoryLimit | Cause::LogLimit => {
            Taken::Failed {
                text: text.unwrap_or_else(|| format!("the evaluation failed: {cause}")),
                again: false,
            }
        }
        _ => {
            let text = text.unwrap_or_else(|| "it left no message".into());
            Taken::Failed {
                text: format!("the evaluation could not be carried out ({cause}): {text}"),
                again: true,
            }
        }
    }
}

/// Reads a result. NUL, which no database keeps in a text, becomes U+FFFD.
fn parse(text: Vec<u8>, jobs_max: usize) -> Result<EvaluationResult, Error> {
    let malformed =
        |error: &dyn std::fmt::Display| Error::malformed(format!("the result cannot be read: {error}"));
    let mut result: EvaluationResult =
        serde_json::from_slice(&without_nul(text)).map_err(|error| malformed(&error))?;
    let Some(found) = &mut result.found else { return Ok(result) };
    leave_out_long_names(found);
    let found = found.jobs.len() + found.errors.len();
    if found > jobs_max {
        return Err(Error::malformed(format!(
            "{found} jobs and errors, more than nix.evaluation-jobs = {jobs_max}"
        )));
    }
    Ok(result)
}

/// Jobs whose names or paths are too long become errors. A derivation with such a path is not described any more, so
/// that what needs it is refused.
fn leave_out_long_names(found: &mut Found) {
    let Found { jobs, errors, derivations } = found;
    jobs.retain(|job| {
        let mut texts = [&job.name, &job.drv_path, &job.system].into_iter().chain(job.outputs.values());
        let is_short = texts.all(|text| text.len() <= NAME_MAX);
        if !is_short {
            let shown: String = job.name.chars().take(100).collect();
            errors.push((shown, format!("its name or a path has more than {NAME_MAX} bytes")));
        }
        is_short
    });
    derivations.retain(|path, _| path.len() <= NAME_MAX);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn ended(cause: Cause, message: Option<&str>) -> EndedEvaluation {
        EndedEvaluation {
            job: JobId(1),
            jobset: None,
            status: cause.job_status(),
            cause: Some(cause),
            message: message.map(String::from),
            result: None,
        }
    }

    #[test]
    fn hydra_61_a_source_that_fails_is_told_apart_from_an_expression_that_does() {
        let is = |cause| failed(&ended(cause, Some("no such branch")));
        assert!(matches!(is(Cause::SourceFailed), Taken::NotFetched(text) if text == "no such branch"));
        assert!(
            matches!(is(Cause::StepFailed), Taken::Failed { again: false, text } if text == "no such branch")
        );
        assert!(matches!(is(Cause::RunnerLost), Taken::Failed { again: true, .. }));
        assert!(
            matches!(failed(&ended(Cause::Cancelled, None)), Taken::Failed { text, .. } if text.contains("cancelled"))
        );
    }

    #[test]
    fn a_result_with_too_many_jobs_or_no_result_is_refused() {
        let result = EvaluationResult {
            hash: "h\0".into(),
            inputs: Default::default(),
            checkout_time: 1,
            evaluation_time: 1,
            found: Some(Found { jobs: vec![FoundJob::default(); 3], ..Found::default() }),
            store: None,
        };
        let text = serde_json::to_vec(&result).unwrap();
        assert_eq!(parse(text.clone(), 3).unwrap().hash, "h\u{fffd}");
        assert!(parse(text, 2).is_err());
        let long = FoundJob { name: "n".repeat(NAME_MAX + 1), ..FoundJob::default() };
        let found = Found { jobs: vec![long, FoundJob::default()], ..Found::default() };
        let text = serde_json::to_vec(&EvaluationResult { found: Some(found), ..result }).unwrap();
        let found = parse(text, 2).unwrap().found.unwrap();
        assert_eq!((found.jobs.len(), found.errors.len()), (1, 1));
        assert!(parse(b"{}".to_vec(), 2).is_err() && parse(vec![0xff], 2).is_err());
    }
}
