//! An evaluation that ended becomes rows, and its new builds jobs: all of it at once, and once only.

use super::looks;
use crate::change::take_turn;
use crate::db::{Channel, Tx, Write};
use crate::jobs::{reroot_in, submit_in};
use crate::nix::builds::{reopen, settle};
use ropewalk_core::nix::Projection;
use ropewalk_core::port::{
    Evaluated, NewDerivation, NewMember, NewNixBuild, Retry, StoreError, Submitted, TakeOver, Taken, WorkRef,
};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{JobId, WorkId};
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::HashSet;

/// Tens of thousands of builds may come of it.
pub(in crate::nix) const TAKE: Write = Write::durable("take over an evaluation")
    .slow()
    .points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);

pub(in crate::nix) async fn take(tx: &Tx, (now, take): &(Time, TakeOver)) -> Result<bool, StoreError> {
    take_turn(tx).await?;
    let sql = "UPDATE jobs SET settled = round WHERE id = $1 AND ended IS NOT NULL AND settled < round";
    if tx.execute(sql, vec![take.job.0.into()]).await? == 0 {
        return Ok(false);
    }
    let sql = "DELETE FROM nix_evaluating WHERE job = $1 RETURNING jobset";
    let Some(row) = tx.query_one(sql, vec![take.job.0.into()]).await? else { return Ok(false) };
    let jobset: i64 = row.get("jobset")?;
    if !matches!(take.result, Taken::Evaluated(_)) {
        looks::note(tx, take.job, jobset).await?;
    }
    match &take.result {
        Taken::Same => {
            Note::default().write(tx, *now, jobset).await?;
            restore_error(tx, *now, jobset).await?;
        }
        Taken::NotFetched(text) => {
            Note { fetch_error: Some(text), again: true, ..Note::default() }.write(tx, *now, jobset).await?;
        }
        Taken::Failed { text, again } => {
            Note { error: Some(text), again: *again, ..Note::default() }.write(tx, *now, jobset).await?;
        }
        Taken::Evaluated(evaluated) => {
            let note = Note { error: Some(&evaluated.errors), ..Note::default() };
            note.write(tx, *now, jobset).await?;
            keep_error(tx, jobset).await?;
            keep(tx, *now, take.job, jobset, evaluated).await?;
        }
    }
    tx.after_commit_notify(Channel::Events);
    Ok(true)
}

/// What a jobset is told of its evaluation.
#[derive(Default)]
struct Note<'a> {
    /// None leaves the text as it is.
    error: Option<&'a str>,
    fetch_error: Option<&'a str>,
    /// A one-shot stays enabled; so does one that was asked for since.
    again: bool,
}

impl Note<'_> {
    /// A wish that came after the evaluation began stays.
    async fn write(&self, tx: &Tx, now: Time, jobset: i64) -> Result<(), StoreError> {
        let sql = "UPDATE nix_jobsets SET started = NULL, checked = $2, fetch_error = $3,
            triggered = CASE WHEN triggered <= COALESCE(started, $2) THEN NULL ELSE triggered END,
            enabled = CASE WHEN enabled = 2 AND $4 AND (triggered IS NULL OR triggered <= COALESCE(started, $2))
                THEN 0 ELSE enabled END WHERE id = $1";
        let values = vec![jobset.into(), now.0.into(), self.fetch_error.into(), (!self.again).into()];
        tx.execute(sql, values).await?;
        if let Some(error) = self.error {
            let sql = "UPDATE nix_jobsets SET error = $2, error_at = $3 WHERE id = $1";
            tx.execute(sql, vec![jobset.into(), error.into(), now.0.into()]).await?;
        }
        Ok(())
    }
}

/// The error is that of the evaluation that is kept now.
async fn keep_error(tx: &Tx, jobset: i64) -> Result<(), StoreError> {
    let sql = "UPDATE nix_jobsets SET evaluated_error = error WHERE id = $1";
    tx.execute(sql, vec![jobset.into()]).await.map(drop)
}

/// Where the inputs are those of the evaluation that was kept, its error counts again, whatever later tries said.
async fn restore_error(tx: &Tx, now: Time, jobset: i64) -> Result<(), StoreError> {
    let sql = "UPDATE nix_jobsets SET error = evaluated_error, error_at = $2 WHERE id = $1 AND error <> evaluated_error";
    tx.execute(sql, vec![jobset.into(), now.0.into()]).await.map(drop)
}

async fn keep(tx: &Tx, now: Time, job: JobId, jobset: i64, evaluated: &Evaluated) -> Result<(), StoreError> {
    let made = submit_in(tx, &(now, evaluated.submission.clone())).await?;
    keep_works(tx, &evaluated.derivations, &made.works).await?;
    let evaluation = insert(tx, now, job, jobset, evaluated).await?;
    let builds = keep_members(tx, now, jobset, &evaluated.members, &made).await?;
    try_again(tx, now, &evaluated.retry).await?;
    if !evaluated.is_changed {
        return Ok(());
    }
    keep_inputs(tx, evaluation, evaluated).await?;
    let members = evaluated.members.iter().zip(&builds).map(|(member, build)| {
        vec![evaluation.into(), build.0.into(), matches!(member, NewMember::New(_)).into()]
    });
    let head = "INSERT INTO nix_evaluation_builds (evaluation, build, is_new)";
    tx.insert_all(head, members.collect(), "ON CONFLICT (evaluation, build) DO NOTHING").await?;
    let parts = evaluated.constituents.iter().filter_map(|(aggregate, part)| {
        Some(vec![builds.get(*aggregate)?.0.into(), builds.get(*part)?.0.into()])
    });
    let head = "INSERT INTO nix_constituents (aggregate, constituent)";
    tx.insert_all(head, parts.collect(), "ON CONFLICT (aggregate, constituent) DO NOTHING").await?;
    mark_current(tx, jobset, evaluation).await
}

/// Queues what is tried again.
async fn try_again(tx: &Tx, now: Time, retry: &Retry) -> Result<(), StoreError> {
    if retry.builds.is_empty() {
        return Ok(());
    }
    let jobs: Vec<_> = retry.builds.iter().map(|one| (one.build, WorkRef::New(one.root))).collect();
    let made = reroot_in(tx, now, &retry.works, &jobs).await?;
    keep_works(tx, &retry.derivations, &made.works).await?;
    reopen(tx).await?;
    for (one, round) in retry.builds.iter().zip(&made.rounds) {
        if let (Some(round), Some(projection)) = (round, &one.ended) {
            settle::settle(tx, one.build, *round, projection).await?;
        }
    }
    Ok(())
}

async fn keep_works(tx: &Tx, derivations: &[NewDerivation], works: &[WorkId]) -> Result<(), StoreError> {
    let rows = derivations.iter().zip(works).map(|(derivation, work)| {
        vec![derivation.name.as_str().into(), work.0.into(), derivation.is_fixed.into()]
    });
    let head = "INSERT INTO nix_works (drv, work, is_fixed)";
    tx.insert_all(head, rows.collect(), "ON CONFLICT (drv, work) DO NOTHING").await.map(drop)
}

async fn insert(
    tx: &Tx,
    now: Time,
    job: JobId,
    jobset: i64,
    evaluated: &Evaluated,
) -> Result<i64, StoreError> {
    let ordinal = match evaluated.is_changed {
        true => {
            let sql = "SELECT COALESCE(MAX(ordinal), 0) + 1 AS ordinal FROM nix_evaluations
                WHERE jobset = $1 AND ordinal IS NOT NULL";
            tx.query_one(sql, vec![jobset.into()]).await?.map(|row| row.get::<i64>("ordinal")).transpose()?
        }
        false => None,
    };
    let sql = "INSERT INTO nix_evaluations (jobset, job, created, checkout_time, evaluation_time, hash, ordinal, builds)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    let count = i64::try_from(evaluated.members.len()).unwrap_or(i64::MAX);
    let values = vec![
        jobset.into(),
        job.0.into(),
        now.0.into(),
        seconds(evaluated.checkout_time).into(),
        seconds(evaluated.evaluation_time).into(),
        evaluated.hash.as_str().into(),
        ordinal.into(),
        ordinal.map(|_| count).into(),
    ];
    let row = tx.query_one(sql, values).await?;
    row.ok_or_else(|| StoreError::Corrupt("an evaluation that got no number".into()))?.get("id")
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

async fn keep_inputs(tx: &Tx, evaluation: i64, evaluated: &Evaluated) -> Result<(), StoreError> {
    for (name, input) in &evaluated.inputs {
        let sql = "INSERT INTO nix_evaluation_inputs
            (evaluation, name, kind, uri, revision, value, dependency, store_path)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = vec![
            evaluation.into(),
            name.as_str().into(),
            input.kind.as_str().into(),
            input.uri.clone().into(),
            input.revision.clone().into(),
            input.value.clone().into(),
            input.dependency.into(),
            input.store_path.clone().into(),
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// Numbers of the members, in their order.
async fn keep_members(
    tx: &Tx,
    now: Time,
    jobset: i64,
    members: &[NewMember],
    made: &Submitted,
) -> Result<Vec<JobId>, StoreError> {
    let (mut builds, mut new) = (Vec::with_capacity(members.len()), vec![]);
    for member in members {
        let build = match member {
            NewMember::Known { build, drv_path } => {
                if let Some(drv_path) = drv_path {
                    let sql = "UPDATE nix_builds SET drv_path = $2 WHERE job = $1";
                    tx.execute(sql, vec![build.0.into(), drv_path.as_str().into()]).await?;
                }
                *build
            }
            NewMember::New(build) => {
                let job = made.jobs.get(build.job);
                let job = *job.ok_or_else(|| StoreError::Corrupt("a build without a job".into()))?;
                new.push((job, &**build));
                job
            }
        };
        builds.push(build);
    }
    insert_builds(tx, now, jobset, &new).await?;
    Ok(builds)
}

async fn insert_builds(
    tx: &Tx,
    now: Time,
    jobset: i64,
    new: &[(JobId, &NewNixBuild)],
) -> Result<(), StoreError> {
    let ended = settle_cached(tx, new).await?;
    let rows = new.iter().map(|(job, build)| {
        let cached = build.ended.as_ref().filter(|_| ended.contains(&job.0));
        row(now, jobset, *job, build, cached)
    });
    let head = "INSERT INTO nix_builds (job, jobset, name, nix_name, system, drv_path, makes, description, homepage,
        license, maintainers, priority, timeout, max_silent, is_channel, is_current, keep, bumped, created, finished,
        status, is_cached, started, stopped, size, closure_size, release_name, message)";
    tx.insert_all(head, rows.collect(), "").await?;
    let outputs = new.iter().flat_map(|(job, build)| {
        build.found.outputs.iter().map(|(name, path)| {
            let path = Some(path.clone()).filter(|path| !path.is_empty());
            vec![job.0.into(), name.as_str().into(), path.into()]
        })
    });
    tx.insert_all("INSERT INTO nix_outputs (build, name, path)", outputs.collect(), "").await?;
    let made = new.iter().filter_map(|(job, build)| {
        let realised = build.ended.as_ref()?.realised.as_ref()?;
        ended.contains(&job.0).then_some((*job, realised))
    });
    settle::keep_made(tx, &made.collect::<Vec<_>>()).await
}

/// Which builds were there already. One whose derivation is being built all the same ends as any other.
async fn settle_cached(tx: &Tx, new: &[(JobId, &NewNixBuild)]) -> Result<HashSet<i64>, StoreError> {
    let ids: Vec<i64> = new.iter().filter(|(_, build)| build.ended.is_some()).map(|(job, _)| job.0).collect();
    let sql = "UPDATE jobs SET settled = round WHERE ended IS NOT NULL AND settled < round AND id";
    let settled = tx.for_all(sql, &[], &ids, " RETURNING id").await?;
    settled.iter().map(|row| row.get("id")).collect()
}

fn row(now: Time, jobset: i64, job: JobId, new: &NewNixBuild, cached: Option<&Projection>) -> Vec<Value> {
    let (found, made) = (&new.found, cached.and_then(|cached| cached.realised.as_ref()));
    vec![
        job.0.into(),
        jobset.into(),
        found.name.as_str().into(),
        found.nix_name.as_str().into(),
        found.system.as_str().into(),
        found.drv_path.as_str().into(),
        new.makes.as_str().into(),
        found.description.clone().into(),
        found.homepage.clone().into(),
        found.license.clone().into(),
        found.maintainers.clone().into(),
        i64::from(found.priority.unwrap_or(100)).into(),
        found.timeout.map(seconds).into(),
        found.max_silent.map(seconds).into(),
        found.is_channel.into(),
        true.into(),
        false.into(),
        0_i64.into(),
        now.0.into(),
        cached.is_some().into(),
        cached.map(|cached| cached.status.0).into(),
        cached.is_some_and(|cached| cached.is_cached).into(),
        cached.map(|cached| cached.started.0).into(),
        cached.map(|cached| cached.stopped.0).into(),
        made.map(|made| settle::bytes(made.size)).into(),
        made.map(|made| settle::bytes(made.closure_size)).into(),
        made.and_then(|made| made.release_name.clone()).into(),
        cached.and_then(|cached| cached.message.clone()).into(),
    ]
}

/// The builds of the newest evaluation are the current ones, and no others.
async fn mark_current(tx: &Tx, jobset: i64, evaluation: i64) -> Result<(), StoreError> {
    let sql = "UPDATE nix_builds SET is_current = $3 WHERE jobset = $1 AND is_current
        AND job NOT IN (SELECT m.build FROM nix_evaluation_builds m WHERE m.evaluation = $2)";
    tx.execute(sql, vec![jobset.into(), evaluation.into(), false.into()]).await?;
    let sql = "UPDATE nix_builds SET is_current = $2 WHERE NOT is_current
        AND job IN (SELECT m.build FROM nix_evaluation_builds m WHERE m.evaluation = $1)";
    tx.execute(sql, vec![evaluation.into(), true.into()]).await.map(drop)
}
