//! Builds that our own runners take where no agent comes.

use super::builds::close;
use super::logs::{Kept, insert};
use crate::db::{Channel, Database, Tx, Write};
use crate::queue::class_of;
use ropewalk_core::port::{BlobRef, Native, Poll, Pool, StoreError};
use ropewalk_model::ids::{ClassId, JobId, WorkId};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;

pub(super) const GO: Write = Write::relaxed("give builds to our own runners").claiming();
const END: Write = Write::durable("keep the log of a build");

/// Builds that wait, with their works.
const WAITING: &str = "FROM arch_builds b JOIN jobs j ON j.id = b.job JOIN works w ON w.id = j.work
    WHERE b.open AND w.status = 'ready'";

pub(super) async fn waiting_archs(db: &Database, due: Time) -> Result<Vec<(String, Pool)>, StoreError> {
    let sql = format!(
        "SELECT DISTINCT b.arch AS arch, b.pool AS pool {WAITING} AND NOT b.native AND j.queued <= $1"
    );
    let rows = db.query_all("look for builds that no agent takes", &sql, vec![due.0.into()]).await?;
    rows.iter().map(|row| Ok((row.get("arch")?, Pool::of(row.get("pool")?)))).collect()
}

pub(super) async fn go(tx: &Tx, native: &Native) -> Result<u64, StoreError> {
    let arch = native.arch.as_str();
    let pool = native.pool.number();
    let sql = "SELECT arch FROM arch_polls WHERE arch = $1 AND pool = $2 AND polled >= $3";
    if tx.query_one(sql, vec![arch.into(), pool.into(), native.polled.0.into()]).await?.is_some() {
        return Ok(0);
    }
    let class = class_of(tx, &native.requirement).await?;
    let sql = "SELECT runner FROM runner_classes WHERE class = $1 LIMIT 1";
    if tx.query_one(sql, vec![class.0.into()]).await?.is_none() {
        return Ok(0);
    }
    let sql = format!(
        "SELECT b.job, w.id AS work {WAITING} AND NOT b.native AND b.arch = $1 AND b.pool = $2
        AND j.queued <= $3 ORDER BY j.queued, b.job LIMIT $4"
    );
    let values = vec![arch.into(), pool.into(), native.due.0.into(), i64::from(native.limit).into()];
    let (mut given, loss) = (0, (native.attempts, Cause::RunnerLost));
    for row in tx.query_all(&sql, values).await? {
        let build = (JobId(row.get("job")?), WorkId(row.get("work")?));
        given += u64::from(give(tx, build, class, loss, true).await?);
    }
    if given > 0 {
        tx.after_commit_notify(Channel::Queue);
    }
    Ok(given)
}

/// Agents come first: what no runner of ours has begun is theirs again.
pub(super) async fn take_back(tx: &Tx, poll: &Poll) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT b.job, w.id AS work {WAITING} AND b.native AND b.arch = $1 AND b.pool = $2 ORDER BY b.job"
    );
    let waiting = tx.query_all(&sql, vec![poll.arch.as_str().into(), poll.pool.number().into()]).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    let class = class_of(tx, &poll.requirement).await?;
    for row in waiting {
        let build = (JobId(row.get("job")?), WorkId(row.get("work")?));
        give(tx, build, class, (poll.loss.attempts, poll.loss.cause), false).await?;
    }
    Ok(())
}

/// Whoever serves the class may take the work from now on, if nobody has yet.
async fn give(
    tx: &Tx,
    (job, work): (JobId, WorkId),
    class: ClassId,
    (attempts, cause): (u32, Cause),
    native: bool,
) -> Result<bool, StoreError> {
    let sql = "UPDATE works SET class = $2, loss_attempts = $3, loss_cause = $4
        WHERE id = $1 AND status = 'ready'";
    let values = vec![work.0.into(), class.0.into(), i64::from(attempts).into(), cause.to_string().into()];
    if tx.execute(sql, values).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE arch_builds SET native = $2 WHERE job = $1";
    tx.execute(sql, vec![job.0.into(), native.into()]).await?;
    Ok(true)
}

pub(super) async fn end(db: &Database, limit: u32) -> Result<u64, StoreError> {
    let sql = "SELECT b.job FROM arch_builds b JOIN jobs j ON j.id = b.job
        WHERE b.open AND b.native AND j.ended IS NOT NULL ORDER BY b.job LIMIT $1";
    let ended = db.query_all("look for builds that ended", sql, vec![i64::from(limit).into()]).await?;
    let mut count = 0;
    for row in &ended {
        let job = JobId(row.get("job")?);
        // One that cannot be ended does not keep the others.
        match db.write(END, (job,), end_one).await {
            Ok(()) => count += 1,
            Err(error) => tracing::warn!("the log of build {job} could not be kept, trying again: {error}"),
        }
    }
    Ok(count)
}

/// The log of its last attempt becomes a log of the target, as if an agent had uploaded it.
async fn end_one(tx: &Tx, (job,): &(JobId,)) -> Result<(), StoreError> {
    let sql =
        format!("SELECT target, arch FROM arch_builds WHERE job = $1 AND open AND native{}", tx.for_update());
    let Some(build) = tx.query_one(&sql, vec![job.0.into()]).await? else { return Ok(()) };
    close(tx, *job).await?;
    // Log 0 is the step's, log -1 that of the set-up; of a build that nobody began there is none.
    let sql = "SELECT l.sha256, l.size, a.leased, j.ended, j.status, s.started, s.ended AS step_ended, s.exit
        FROM jobs j JOIN attempts a ON a.work = j.work
            JOIN attempt_logs l ON l.attempt = a.id AND l.log IN (-1, 0)
            LEFT JOIN step_runs s ON s.attempt = a.id AND s.position = 0
        WHERE j.id = $1 ORDER BY a.number DESC, l.log DESC LIMIT 1";
    let Some(row) = tx.query_one(sql, vec![job.0.into()]).await? else { return Ok(()) };
    let seconds = |micros: i64| micros.div_euclid(1_000_000);
    let (leased, ended): (i64, i64) = (row.get("leased")?, row.get("ended")?);
    let has_failed = row.get::<String>("status")? != "success";
    let size: i64 = row.get("size")?;
    let kept = Kept {
        target: build.get("target")?,
        start: seconds(row.get::<Option<i64>>("started")?.unwrap_or(leased)),
        end: seconds(row.get::<Option<i64>>("step_ended")?.unwrap_or(ended)),
        arch: build.get("arch")?,
        exit: row.get::<Option<i64>>("exit")?.unwrap_or(i64::from(has_failed)),
        blob: BlobRef { sha256: row.get("sha256")?, size: u64::try_from(size).unwrap_or(0) },
        job: *job,
    };
    insert(tx, &kept).await.map(drop)
}
