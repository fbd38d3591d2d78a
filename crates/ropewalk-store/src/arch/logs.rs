//! Logs that agents upload, and the ends of builds that they are.

use super::builds::{close, note, stand_in};
use super::targets;
use crate::db::{Database, Row, Tx, Write};
use crate::jobs::submit_in;
use crate::queue::{finish_in, lease_in, record_in};
use ropewalk_core::port::{BlobRef, BuildLog, Finish, LogFilter, NewLog, Pool, StoreError, Window};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{AttemptId, Fence, JobId};
use ropewalk_model::link::{AttemptFact, LogFile, LogName, Outcome, Report};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::time::Duration;

pub(super) const KEEP: Write =
    Write::durable("keep a log").points(Point::FinishBeforeCommit, Point::FinishAfterCommit);
pub(super) const DELETE: Write = Write::durable("remove a log");
pub(super) const FORGET: Write = Write::durable("remove old logs");

/// A build that somebody holds.
struct Held {
    job: JobId,
    attempt: AttemptId,
    fence: Fence,
}

pub(super) async fn keep(tx: &Tx, (now, new): &(Time, NewLog)) -> Result<i64, StoreError> {
    targets::lock(tx, new.target).await?;
    let job = match end_handed_out(tx, *now, new).await? {
        Some(job) => job,
        None => {
            let held = alone(tx, *now, new).await?;
            end(tx, *now, new, &held).await?;
            held.job
        }
    };
    close(tx, job).await?;
    let NewLog { target, start, end, arch, exit, blob, .. } = new.clone();
    insert(tx, &Kept { target, start, end, arch, exit: exit.into(), blob, job }).await
}

/// Ends the build that the log is of, if there is one.
async fn end_handed_out(tx: &Tx, now: Time, new: &NewLog) -> Result<Option<JobId>, StoreError> {
    let Some(held) = handed_out(tx, new).await? else { return Ok(None) };
    match end(tx, now, new, &held).await {
        Ok(()) => Ok(Some(held.job)),
        // Its lease ran out in this very moment, before anything was written: agents do not upload a log again.
        Err(StoreError::Superseded { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A log that is to be listed; times in seconds.
pub(super) struct Kept {
    pub(super) target: i64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) arch: String,
    pub(super) exit: i64,
    pub(super) blob: BlobRef,
    pub(super) job: JobId,
}

/// Lists a log and answers its number.
pub(super) async fn insert(tx: &Tx, log: &Kept) -> Result<i64, StoreError> {
    let sql = "INSERT INTO arch_logs (target, start_time, end_time, arch, exit_code, sha256, size, job)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";
    let size = i64::try_from(log.blob.size).unwrap_or(i64::MAX);
    let values = vec![
        log.target.into(),
        log.start.into(),
        log.end.into(),
        log.arch.as_str().into(),
        log.exit.into(),
        log.blob.sha256.as_str().into(),
        size.into(),
        log.job.0.into(),
    ];
    match tx.query_one(sql, values).await? {
        Some(row) => row.get("id"),
        None => Err(StoreError::Corrupt("a log that got no number".into())),
    }
}

/// The build that was handed out first, of the same architecture if there is one. One that was handed out after the
/// log's end is another one; agents say whole seconds.
async fn handed_out(tx: &Tx, new: &NewLog) -> Result<Option<Held>, StoreError> {
    let sql = "SELECT b.job, l.attempt, l.fence FROM arch_builds b JOIN jobs j ON j.id = b.job
            JOIN leases l ON l.work = j.work JOIN attempts a ON a.id = l.attempt
        WHERE b.target = $1 AND b.open AND NOT b.native AND a.leased < $2
        ORDER BY CASE WHEN b.arch = $3 THEN 0 ELSE 1 END, a.leased, a.id LIMIT 1";
    let after_end = new.end.saturating_add(1).saturating_mul(1_000_000);
    let values = vec![new.target.into(), after_end.into(), new.arch.as_str().into()];
    tx.query_one(sql, values).await?.map(|row| held(&row)).transpose()
}

fn held(row: &Row) -> Result<Held, StoreError> {
    Ok(Held {
        job: JobId(row.get("job")?),
        attempt: AttemptId(row.get("attempt")?),
        fence: Fence(row.get("fence")?),
    })
}

/// Makes a build of its own, held by whoever uploads.
async fn alone(tx: &Tx, now: Time, new: &NewLog) -> Result<Held, StoreError> {
    let features = new.alone.works.iter().flat_map(|work| work.requirement.features.clone()).collect();
    let runner = stand_in(tx, now, &new.agents, features).await?;
    let made = submit_in(tx, &(now, new.alone.clone())).await?;
    let job = *made.jobs.first().ok_or_else(|| StoreError::Corrupt("a build without a job".into()))?;
    note(tx, job, new.target, &new.arch, Pool::Administrators).await?;
    let leases = lease_in(tx, &(now, runner, u32::MAX, Duration::from_secs(60))).await?;
    // Nobody leaves such a work behind: each is made and ended in one transaction.
    let lease = leases.into_iter().find(|lease| lease.job == Some(job));
    let lease = lease.ok_or_else(|| StoreError::Corrupt(format!("build {job}, which cannot be held")))?;
    Ok(Held { job, attempt: lease.attempt, fence: lease.fence })
}

/// The one step has run, and with it the build.
async fn end(tx: &Tx, now: Time, new: &NewLog, held: &Held) -> Result<(), StoreError> {
    let at = |seconds: i64| Time(seconds.saturating_mul(1_000_000));
    let facts = [
        (at(new.start), AttemptFact::StepStarted { step: 0 }),
        (at(new.end), AttemptFact::StepEnded { step: 0, exit: new.exit }),
    ];
    for (number, (at, fact)) in (1..).zip(facts) {
        let report = Report { attempt: held.attempt, fence: held.fence, number, at, fact };
        record_in(tx, &(now, report)).await?;
    }
    let outcome = match new.exit {
        0 => Outcome::Success,
        exit => Outcome::Failure {
            cause: Cause::StepFailed,
            message: format!("the build ended with the exit code {exit}"),
        },
    };
    let logs = vec![(LogFile::Text(LogName::Step(0)), new.blob.clone())];
    finish_in(tx, &(now, Finish { attempt: held.attempt, fence: held.fence, outcome, logs })).await.map(drop)
}

const SELECT: &str = "SELECT id, target, start_time, end_time, arch, exit_code, sha256, size FROM arch_logs";

pub(super) async fn list(
    db: &Database,
    filter: &LogFilter,
    window: Window,
) -> Result<Vec<BuildLog>, StoreError> {
    let (mut conditions, mut values): (Vec<String>, Vec<Value>) = (vec!["1 = 1".into()], vec![]);
    let mut narrow = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(format!("{condition} ${}", values.len()));
    };
    if let Some(target) = filter.target {
        narrow("target =", target.into());
    }
    if let Some(before) = filter.before {
        narrow("start_time <", before.into());
    }
    if let Some(after) = filter.after {
        narrow("start_time >", after.into());
    }
    if !filter.arch.is_empty() {
        narrow("arch =", filter.arch.as_str().into());
    }
    for exit in &filter.not_exits {
        narrow("exit_code <>", (*exit).into());
    }
    if !filter.exits.is_empty() {
        // Numbers, not texts of a request.
        let exits: Vec<String> = filter.exits.iter().map(i64::to_string).collect();
        conditions.push(format!("exit_code IN ({})", exits.join(", ")));
    }
    let count = values.len();
    values.extend([i64::from(window.limit).into(), i64::try_from(window.offset).unwrap_or(i64::MAX).into()]);
    let sql = format!(
        "{SELECT} WHERE {} ORDER BY id LIMIT ${} OFFSET ${}",
        conditions.join(" AND "),
        count + 1,
        count + 2
    );
    db.query_all("list logs", &sql, values).await?.iter().map(read).collect()
}

pub(super) async fn by_id(db: &Database, id: i64) -> Result<Option<BuildLog>, StoreError> {
    let sql = format!("{SELECT} WHERE id = $1");
    db.query_one("look up a log", &sql, vec![id.into()]).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> Result<BuildLog, StoreError> {
    let size: i64 = row.get("size")?;
    Ok(BuildLog {
        id: row.get("id")?,
        target: row.get("target")?,
        start: row.get("start_time")?,
        end: row.get("end_time")?,
        arch: row.get("arch")?,
        exit: row.get("exit_code")?,
        blob: BlobRef { sha256: row.get("sha256")?, size: u64::try_from(size).unwrap_or(0) },
    })
}

pub(super) async fn delete(tx: &Tx, (id,): &(i64,)) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM arch_logs WHERE id = $1", vec![(*id).into()]).await? > 0)
}

pub(super) async fn forget(tx: &Tx, (before, limit): &(i64, u32)) -> Result<u64, StoreError> {
    let sql = "DELETE FROM arch_logs WHERE id IN (SELECT id FROM arch_logs WHERE start_time < $1
        ORDER BY start_time, id LIMIT $2)";
    tx.execute(sql, vec![(*before).into(), i64::from(*limit).into()]).await
}
