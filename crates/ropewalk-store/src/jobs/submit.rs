//! Jobs come into being, and are started.

use super::place::Works;
use crate::change::{Change, End, JobRow, MadeJob, take_turn, take_turn_for_job, to_json};
use crate::db::{Channel, Tx, Write};
use ropewalk_core::port::{NewJob, StoreError, Submission, Submitted, WorkRef};
use ropewalk_model::event::Fact;
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{JobId, UserId, WorkId};
use ropewalk_model::status::{Cause, JobStatus, WorkStatus};
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const SUBMIT: Write =
    Write::durable("store a submission").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);
pub(super) const START: Write =
    Write::durable("start a job").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);

pub(crate) async fn submit(tx: &Tx, (now, submission): &(Time, Submission)) -> Result<Submitted, StoreError> {
    if is_tied(submission) {
        take_turn(tx).await?;
    }
    let mut change = Change::new(tx, *now);
    let roots: Vec<WorkRef> = submission.jobs.iter().map(|job| job.root).collect();
    let mut works = Works::place(&mut change, &submission.works, &roots).await?;
    let jobs = insert_jobs(&mut change, &submission.jobs, &works).await?;
    for root in &roots {
        works.want(*root)?;
    }
    check_limit(tx, submission).await?;
    let started = submission.jobs.iter().filter(|job| job.execute).map(|job| job.root);
    works.release(&mut change, &submission.works, started).await?;
    let rows = roots.iter().map(|root| works.resolve(*root)).collect::<Result<Vec<_>, _>>()?;
    let (moved, rest): (Vec<_>, Vec<_>) =
        jobs.iter().zip(rows).partition(|(_, root)| works.moved.contains(&root.id));
    change.settle_made(rest.into_iter()).await?;
    for (job, _) in moved {
        let (mut job, root) = JobRow::lock_with_work(tx, job.id).await?;
        change.settle_job(&mut job, &root).await?;
    }
    follow(&mut change, &works);
    let jobs = jobs.iter().map(|job| job.id).collect();
    change.settle().await?;
    Ok(Submitted { jobs, works: works.placed.iter().map(|work| work.row.id).collect() })
}

/// What follows for works that were made: some cannot succeed, some nobody needs.
pub(super) fn follow(change: &mut Change<'_>, works: &Works) {
    for work in works.placed.iter().filter(|work| work.new) {
        if let Some(culprit) = work.doomed_by {
            let (status, cause) = (WorkStatus::Failed, Some(Cause::DependencyFailed));
            change.end(work.row.id, End { status, cause, message: None, culprit: Some(culprit) });
        } else if work.row.wanted == 0 && !work.row.status.is_final() {
            change.unneeded(work.row.id, Cause::Cancelled);
        }
    }
}

/// Whether others may be tied to what is submitted.
fn is_tied(submission: &Submission) -> bool {
    submission.works.iter().any(|work| work.key.is_some() || !work.needs.is_empty())
        || submission.jobs.iter().any(|job| matches!(job.root, WorkRef::Known(_)))
}

async fn insert_jobs<'j>(
    change: &mut Change<'_>,
    new: &'j [NewJob],
    works: &Works,
) -> Result<Vec<MadeJob<'j>>, StoreError> {
    let (tx, now) = (change.tx, Value::from(change.now.0));
    let roots = new.iter().map(|job| works.resolve(job.root).map(|work| work.id));
    let roots = roots.collect::<Result<Vec<WorkId>, _>>()?;
    let ids = insert_rows(change, new, &roots).await?;
    let rounds = ids.iter().zip(&roots).map(|(id, root)| vec![id.0.into(), 1_i64.into(), root.0.into()]);
    tx.insert_all("INSERT INTO job_rounds (job, round, work)", rounds.collect(), "").await?;
    let mut steps = vec![];
    for (id, job) in ids.iter().zip(new) {
        let named = (0_i64..).zip(&job.steps);
        steps.extend(named.map(|(position, name)| vec![id.0.into(), position.into(), name.as_str().into()]));
    }
    tx.insert_all("INSERT INTO steps (job, position, name)", steps, "").await?;
    let created = to_json(&Fact::Created)?;
    let events = ids.iter().map(|id| vec![id.0.into(), 1_i64.into(), now.clone(), created.as_str().into()]);
    tx.insert_all("INSERT INTO events (job, number, at, fact)", events.collect(), "").await?;
    tx.after_commit_notify(Channel::Events);
    count(tx, new).await?;
    let made = ids.into_iter().zip(new).map(|(id, job)| MadeJob {
        id,
        owner: job.owner,
        execute: job.execute,
        triggers: &job.triggers,
    });
    Ok(made.collect())
}

/// Rows of `jobs` with the event of their creation; their numbers in this order.
async fn insert_rows(
    change: &Change<'_>,
    new: &[NewJob],
    roots: &[WorkId],
) -> Result<Vec<JobId>, StoreError> {
    let now = Value::from(change.now.0);
    let mut rows = Vec::with_capacity(new.len());
    for (job, root) in new.iter().zip(roots) {
        rows.push(vec![
            job.kind.to_string().into(),
            job.owner.0.into(),
            1_i64.into(),
            JobStatus::Pending.to_string().into(),
            job.visibility.to_string().into(),
            job.note.clone().into(),
            to_json(&job.tags)?.into(),
            job.manifest.as_str().into(),
            job.image.clone().into(),
            to_json(&job.triggers)?.into(),
            root.0.into(),
            job.execute.into(),
            job.secrets.into(),
            1_i64.into(),
            now.clone(),
            now.clone(),
        ]);
    }
    let head =
        "INSERT INTO jobs (kind, owner, round, status, visibility, note, tags, manifest, image, triggers,
            work, execute, secrets, events, created, updated)";
    let made = change.tx.insert_all(head, rows, "RETURNING id, work").await?;
    let made = made.iter().map(|row| Ok((row.get("id")?, row.get("work")?)));
    let mut made = made.collect::<Result<Vec<(i64, i64)>, StoreError>>()?;
    // Numbers rise in the order of the rows, whatever the order in which they are told.
    made.sort_unstable();
    if !made.iter().map(|(_, work)| *work).eq(roots.iter().map(|work| work.0)) {
        return Err(StoreError::Corrupt("jobs that did not get their numbers in order".into()));
    }
    Ok(made.into_iter().map(|(id, _)| JobId(id)).collect())
}

/// Counts new jobs by owner, and by owner and kind.
async fn count(tx: &Tx, new: &[NewJob]) -> Result<(), StoreError> {
    let mut counts = BTreeMap::<(UserId, String), i64>::new();
    for job in new {
        *counts.entry((job.owner, job.kind.to_string())).or_default() += 1;
    }
    for ((owner, kind), count) in counts {
        let sql = "INSERT INTO open_jobs (owner, count) VALUES ($1, $2)
            ON CONFLICT (owner) DO UPDATE SET count = open_jobs.count + excluded.count";
        tx.execute(sql, vec![owner.0.into(), count.into()]).await?;
        let sql = "INSERT INTO job_counts (owner, kind, count) VALUES ($1, $2, $3)
            ON CONFLICT (owner, kind) DO UPDATE SET count = job_counts.count + excluded.count";
        tx.execute(sql, vec![owner.0.into(), kind.into(), count.into()]).await?;
    }
    Ok(())
}

async fn check_limit(tx: &Tx, submission: &Submission) -> Result<(), StoreError> {
    let Some(limit) = submission.open_jobs_limit else { return Ok(()) };
    let owners: BTreeSet<UserId> = submission.jobs.iter().map(|job| job.owner).collect();
    for owner in owners {
        let sql = "SELECT count FROM open_jobs WHERE owner = $1";
        let row = tx.query_one(sql, vec![owner.0.into()]).await?;
        let open: i64 = row.map_or(Ok(0), |row| row.get("count"))?;
        if u64::try_from(open).is_ok_and(|open| open > limit) {
            return Err(StoreError::Refused(format!(
                "{limit} jobs of this user have not ended yet, and more are not allowed (limits.queued-per-user): \
                 wait for some to end, or cancel them"
            )));
        }
    }
    Ok(())
}

pub(super) async fn start(tx: &Tx, (now, id): &(Time, JobId)) -> Result<(), StoreError> {
    take_turn_for_job(tx, *id).await?;
    let mut change = Change::new(tx, *now);
    if !start_pending(&mut change, *id).await? {
        return Err(StoreError::Refused(format!("job {id} was started before, or has ended")));
    }
    change.settle().await.map(|_| ())
}

/// Queues a job that was submitted without being executed; false if it was started before or has ended.
pub(super) async fn start_pending(change: &mut Change<'_>, id: JobId) -> Result<bool, StoreError> {
    let (job, _) = JobRow::lock_with_work(change.tx, id).await?;
    if job.status != JobStatus::Pending || job.execute {
        return Ok(false);
    }
    let sql = "UPDATE jobs SET execute = $2 WHERE id = $1";
    change.tx.execute(sql, vec![id.0.into(), true.into()]).await?;
    change.release(job.work).await?;
    let (mut job, root) = JobRow::lock_with_work(change.tx, id).await?;
    change.settle_job(&mut job, &root).await?;
    Ok(true)
}
