//! Jobs come into being, and are started.

use super::works::{self, Placed};
use crate::change::{Change, End, JobRow, take_turn, take_turn_for_job, to_json};
use crate::db::{Tx, Write};
use ropewalk_core::port::{NewJob, StoreError, Submission, Submitted, WorkRef};
use ropewalk_model::event::Fact;
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{JobId, UserId, WorkId};
use ropewalk_model::status::{Cause, JobStatus, WorkStatus};
use ropewalk_model::time::Time;
use std::collections::BTreeSet;

pub(super) const SUBMIT: Write =
    Write::durable("store a submission").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);
pub(super) const START: Write =
    Write::durable("start a job").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);

pub(crate) async fn submit(tx: &Tx, (now, submission): &(Time, Submission)) -> Result<Submitted, StoreError> {
    if is_tied(submission) {
        take_turn(tx).await?;
    }
    let mut change = Change::new(tx, *now);
    let placed = place_works(&mut change, submission).await?;
    let mut jobs = Vec::with_capacity(submission.jobs.len());
    for new in &submission.jobs {
        let root = resolve(&placed, new.root)?;
        jobs.push(insert_job(&mut change, new, root).await?);
        change.want(root).await?;
    }
    check_limit(tx, submission).await?;
    for work in &placed {
        if let Some(culprit) = work.doomed_by {
            let (status, cause) = (WorkStatus::Failed, Some(Cause::DependencyFailed));
            change.end(work.id, End { status, cause, message: None, culprit: Some(culprit) });
        } else if work.new {
            change.unneeded(work.id, Cause::Cancelled);
        }
    }
    for (new, id) in submission.jobs.iter().zip(&jobs) {
        if new.execute {
            change.release(resolve(&placed, new.root)?).await?;
        }
        let (mut job, root) = JobRow::lock_with_work(tx, *id).await?;
        change.settle_job(&mut job, &root).await?;
    }
    change.settle().await?;
    Ok(Submitted { jobs, works: placed.iter().map(|work| work.id).collect() })
}

/// Whether others may be tied to what is submitted.
fn is_tied(submission: &Submission) -> bool {
    submission.works.iter().any(|work| work.key.is_some() || !work.needs.is_empty())
        || submission.jobs.iter().any(|job| matches!(job.root, WorkRef::Known(_)))
}

async fn place_works(change: &mut Change<'_>, submission: &Submission) -> Result<Vec<Placed>, StoreError> {
    let mut placed: Vec<Placed> = Vec::with_capacity(submission.works.len());
    for new in &submission.works {
        let blank = works::blank(change.tx, new).await?;
        let needs = new.needs.iter().map(|need| resolve(&placed, *need)).collect::<Result<Vec<_>, _>>()?;
        placed.push(works::place(change, &blank, &needs).await?);
    }
    Ok(placed)
}

fn resolve(placed: &[Placed], work: WorkRef) -> Result<WorkId, StoreError> {
    match work {
        WorkRef::Known(id) => Ok(id),
        WorkRef::New(position) => placed.get(position).map(|work| work.id).ok_or_else(|| {
            StoreError::Refused(format!(
                "a submission refers to its work {position}, which does not come before: give works in the order \
                 in which they need each other"
            ))
        }),
    }
}

async fn insert_job(change: &mut Change<'_>, new: &NewJob, root: WorkId) -> Result<JobId, StoreError> {
    let tx = change.tx;
    let sql =
        "INSERT INTO jobs (kind, owner, round, status, visibility, note, tags, manifest, image, triggers,
            work, execute, secrets, events, created, updated)
        VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $13) RETURNING id";
    let values = vec![
        new.kind.to_string().into(),
        new.owner.0.into(),
        JobStatus::Pending.to_string().into(),
        new.visibility.to_string().into(),
        new.note.clone().into(),
        to_json(&new.tags)?.into(),
        new.manifest.as_str().into(),
        new.image.clone().into(),
        to_json(&new.triggers)?.into(),
        root.0.into(),
        new.execute.into(),
        new.secrets.into(),
        change.now.0.into(),
    ];
    let Some(row) = tx.query_one(sql, values).await? else {
        return Err(StoreError::Corrupt("a job that got no number".into()));
    };
    let id = JobId(row.get("id")?);
    let sql = "INSERT INTO job_rounds (job, round, work) VALUES ($1, 1, $2)";
    tx.execute(sql, vec![id.0.into(), root.0.into()]).await?;
    for (position, name) in (0_i64..).zip(&new.steps) {
        let sql = "INSERT INTO steps (job, position, name) VALUES ($1, $2, $3)";
        tx.execute(sql, vec![id.0.into(), position.into(), name.as_str().into()]).await?;
    }
    let sql = "INSERT INTO open_jobs (owner, count) VALUES ($1, 1)
        ON CONFLICT (owner) DO UPDATE SET count = open_jobs.count + 1";
    tx.execute(sql, vec![new.owner.0.into()]).await?;
    let sql = "INSERT INTO job_counts (owner, kind, count) VALUES ($1, $2, 1)
        ON CONFLICT (owner, kind) DO UPDATE SET count = job_counts.count + 1";
    tx.execute(sql, vec![new.owner.0.into(), new.kind.to_string().into()]).await?;
    change.event(id, &Fact::Created).await?;
    Ok(id)
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
