//! Builds of targets, on the farm's own queue.

use super::{native, targets};
use crate::change::{Change, WorkRow};
use crate::db::{Database, Tx, Write};
use crate::jobs::{cancel_in, submit_in};
use crate::queue::{lease_in, register_in};
use ropewalk_core::arch::{AGENT, BuildConfig, Cron, next_build};
use ropewalk_core::port::{DueBuild, Lease, NewBuild, Poll, Pool, StoreError};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{JobId, RunnerId, WorkId};
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;
use ropewalk_model::work::Labels;
use std::time::Duration;

pub(super) const QUEUE: Write =
    Write::durable("queue a build").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);
/// A crash of the machine may take it back: then the build is handed out again.
pub(super) const POLL: Write =
    Write::relaxed("hand out builds").claiming().points(Point::LeaseBeforeCommit, Point::LeaseAfterCommit);
pub(super) const SKIP: Write = Write::durable("skip missed builds");
const REARM: Write = Write::durable("set a schedule right");

/// When agents polled is noted no more often.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// What came at most so long ago was not missed: another server may be about to queue it.
const JUST_NOW: Duration = Duration::from_secs(5);

pub(super) async fn due(
    db: &Database,
    now: Time,
    schedule: Cron,
    limit: u32,
) -> Result<Vec<DueBuild>, StoreError> {
    let sql = format!("SELECT a.id {TAKEN} ORDER BY a.id LIMIT $1");
    for row in
        db.query_all("look for schedules that wait in vain", &sql, vec![i64::from(limit).into()]).await?
    {
        db.write(REARM, (now, row.get("id")?, schedule), rearm).await?;
    }
    let sql = "SELECT id, target, value FROM arch_target_archs WHERE next_at IS NOT NULL AND next_at < $1
        ORDER BY next_at, id LIMIT $2";
    let rows = db.query_all("look for due builds", sql, vec![now.0.into(), i64::from(limit).into()]).await?;
    let mut due = Vec::with_capacity(rows.len());
    for row in rows {
        let target: i64 = row.get("target")?;
        if let Some(target) = db.read("look up a target", target, targets::by_id).await? {
            due.push(DueBuild { row: row.get("id")?, target, arch: row.get("value")? });
        }
    }
    Ok(due)
}

/// Schedules whose build has ended, or is run by our own runner: no poll will set them.
const TAKEN: &str =
    "FROM arch_target_archs a JOIN arch_targets t ON t.id = a.target JOIN jobs j ON j.id = a.job
        JOIN arch_builds b ON b.job = j.id
    WHERE a.next_at IS NULL AND (j.ended IS NOT NULL OR b.native AND j.status = 'running')";

/// A build that was not handed out does not come back to set its schedule.
async fn rearm(tx: &Tx, (now, row, default): &(Time, i64, Cron)) -> Result<(), StoreError> {
    let sql = format!("SELECT t.schedule {TAKEN} AND a.id = $1");
    if let Some(found) = tx.query_one(&sql, vec![(*row).into()]).await? {
        let next = next_build(&found.get::<String>("schedule")?, *default, *now);
        set_next(tx, *row, next).await?;
    }
    Ok(())
}

async fn set_next(tx: &Tx, row: i64, next: Time) -> Result<(), StoreError> {
    let sql = "UPDATE arch_target_archs SET next_at = $2, job = NULL WHERE id = $1";
    tx.execute(sql, vec![row.into(), next.0.into()]).await.map(|_| ())
}

pub(super) async fn skip_missed(tx: &Tx, (now, default): &(Time, Cron)) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT a.id, t.schedule FROM arch_target_archs a JOIN arch_targets t ON t.id = a.target
        WHERE a.next_at IS NOT NULL AND a.next_at < $1 ORDER BY a.id{}",
        tx.for_update()
    );
    let missed = tx.query_all(&sql, vec![now.minus(JUST_NOW).0.into()]).await?;
    for row in &missed {
        let next = next_build(&row.get::<String>("schedule")?, *default, *now);
        set_next(tx, row.get("id")?, next).await?;
    }
    Ok(missed.len() as u64)
}

pub(super) async fn queue(tx: &Tx, (now, new): &(Time, NewBuild)) -> Result<Option<JobId>, StoreError> {
    let (id, revision) = new.target;
    let target = match targets::lock(tx, id).await {
        Err(StoreError::Missing(_)) if new.row.is_some() => return Ok(None),
        locked => locked?,
    };
    if target.revision != revision {
        return Err(StoreError::Conflict(format!("target {id} was changed by somebody else")));
    }
    if let Some(row) = new.row
        && !is_due(tx, row, *now).await?
    {
        return Ok(None);
    }
    if !agents(tx, *now, new).await? {
        return too_many(tx, new).await;
    }
    let made = submit_in(tx, &(*now, new.submission.clone())).await?;
    let job = *made.jobs.first().ok_or_else(|| StoreError::Corrupt("a build without a job".into()))?;
    note(tx, job, id, &new.arch, new.pool).await?;
    if let Some(row) = new.row {
        let sql = "UPDATE arch_target_archs SET next_at = NULL, job = $2 WHERE id = $1";
        tx.execute(sql, vec![row.into(), job.0.into()]).await?;
    }
    Ok(Some(job))
}

/// Another server may have queued it meanwhile.
async fn is_due(tx: &Tx, row: i64, now: Time) -> Result<bool, StoreError> {
    let sql = "SELECT id FROM arch_target_archs WHERE id = $1 AND next_at IS NOT NULL AND next_at < $2";
    Ok(tx.query_one(sql, vec![row.into(), now.0.into()]).await?.is_some())
}

/// From now on the build is looked for.
pub(super) async fn note(tx: &Tx, job: JobId, target: i64, arch: &str, pool: Pool) -> Result<(), StoreError> {
    let sql = "INSERT INTO arch_builds (job, target, arch, pool, open) VALUES ($1, $2, $3, $4, $5)";
    let values = vec![job.0.into(), target.into(), arch.into(), pool.number().into(), true.into()];
    tx.execute(sql, values).await.map(|_| ())
}

/// Makes the runner that stands for all agents of a pool and an architecture, with the first build for them. False if the
/// pool has too many architectures.
async fn agents(tx: &Tx, now: Time, new: &NewBuild) -> Result<bool, StoreError> {
    if agents_of(tx, &new.arch, new.pool).await?.is_some() {
        return Ok(true);
    }
    let sql = "SELECT COUNT(*) AS count FROM arch_agents WHERE pool = $1";
    let row = tx.query_one(sql, vec![new.pool.number().into()]).await?;
    if row.map_or(Ok(0), |row| row.get::<i64>("count"))? >= i64::from(new.archs_limit) {
        return Ok(false);
    }
    let features = new.submission.works.iter().flat_map(|work| work.requirement.features.clone()).collect();
    let runner = stand_in(tx, now, &new.agents, features).await?;
    let sql = "INSERT INTO arch_agents (arch, pool, runner) VALUES ($1, $2, $3) ON CONFLICT (arch, pool) DO NOTHING";
    let values = vec![new.arch.as_str().into(), new.pool.number().into(), runner.0.into()];
    tx.execute(sql, values).await.map(|_| true)
}

async fn agents_of(tx: &Tx, arch: &str, pool: Pool) -> Result<Option<RunnerId>, StoreError> {
    let sql = "SELECT runner FROM arch_agents WHERE arch = $1 AND pool = $2";
    let row = tx.query_one(sql, vec![arch.into(), pool.number().into()]).await?;
    row.map(|row| row.get("runner").map(RunnerId)).transpose()
}

/// A schedule that asks for one architecture too many would ask for ever: it stops until its target is changed.
async fn too_many(tx: &Tx, new: &NewBuild) -> Result<Option<JobId>, StoreError> {
    let why = format!(
        "targets of one account are built for {} architectures at most (arch.architectures-per-user): {} would be another one",
        new.archs_limit, new.arch
    );
    let Some(row) = new.row else { return Err(StoreError::Full(why)) };
    tracing::warn!("the schedule of target {} is stopped: {why}", new.target.0);
    let sql = "UPDATE arch_target_archs SET next_at = NULL, job = NULL WHERE id = $1";
    tx.execute(sql, vec![row.into()]).await.map(|_| None)
}

/// A runner that no agent of ours is: works are leased to it on behalf of somebody who speaks another dialect.
pub(super) async fn stand_in(
    tx: &Tx,
    now: Time,
    name: &str,
    features: std::collections::BTreeSet<String>,
) -> Result<RunnerId, StoreError> {
    // What one of a name offers never changes, and to register it again would wait for every other registration.
    let known = tx.query_one("SELECT id FROM runners WHERE name = $1", vec![name.into()]).await?;
    if let Some(row) = known {
        return Ok(RunnerId(row.get("id")?));
    }
    let labels = Labels { kinds: [AGENT.to_string()].into(), features, ..Labels::default() };
    Ok(register_in(tx, &(now, name.to_owned(), labels, 1)).await?.id)
}

pub(super) async fn poll(tx: &Tx, (now, poll): &(Time, Poll)) -> Result<Vec<BuildConfig>, StoreError> {
    let arch = poll.arch.as_str();
    note_poll(tx, *now, poll).await?;
    let known = agents_of(tx, arch, poll.pool).await?;
    let Some(runner) = known.filter(|_| poll.most > 0) else { return Ok(vec![]) };
    native::take_back(tx, poll).await?;
    let leases = lease_in(tx, &(*now, runner, poll.most, poll.lease_for)).await?;
    let mut builds = Vec::with_capacity(leases.len());
    for lease in &leases {
        builds.extend(hand_out(tx, *now, poll.schedule, lease).await?);
    }
    Ok(builds)
}

/// Polls of one architecture would wait for each other if each was noted.
async fn note_poll(tx: &Tx, now: Time, poll: &Poll) -> Result<(), StoreError> {
    let of = || vec![poll.arch.as_str().into(), poll.pool.number().into()];
    let sql = "SELECT arch FROM arch_polls WHERE arch = $1 AND pool = $2 AND polled > $3";
    let recently = [of(), vec![now.minus(NOTED_EVERY).0.into()]].concat();
    if tx.query_one(sql, recently).await?.is_some() {
        return Ok(());
    }
    let sql = "INSERT INTO arch_polls (arch, pool, polled) VALUES ($1, $2, $3)
        ON CONFLICT (arch, pool) DO UPDATE SET polled = excluded.polled";
    tx.execute(sql, [of(), vec![now.0.into()]].concat()).await.map(|_| ())
}

/// What an agent is told of a lease; the schedule that asked for it goes on.
async fn hand_out(
    tx: &Tx,
    now: Time,
    default: Cron,
    lease: &Lease,
) -> Result<Option<BuildConfig>, StoreError> {
    let Some(job) = lease.job else { return Ok(None) };
    let sql = "SELECT a.id, t.schedule FROM arch_target_archs a JOIN arch_targets t ON t.id = a.target
        WHERE a.job = $1 AND a.next_at IS NULL";
    if let Some(row) = tx.query_one(sql, vec![job.0.into()]).await? {
        let next = next_build(&row.get::<String>("schedule")?, default, now);
        set_next(tx, row.get("id")?, next).await?;
    }
    let sql = "SELECT manifest FROM jobs WHERE id = $1";
    let row = tx.query_one(sql, vec![job.0.into()]).await?;
    let text: String = row.map_or(Ok(String::new()), |row| row.get("manifest"))?;
    let config = serde_json::from_str(&text);
    config.map(Some).map_err(|e| StoreError::Corrupt(format!("build {job}: {e}")))
}

/// Ends a target's builds that wait. Those that were handed out go on.
pub(super) async fn invalidate(change: &mut Change<'_>, target: i64) -> Result<(), StoreError> {
    let (tx, now) = (change.tx, change.now);
    let sql = "SELECT b.job, b.native, j.work, j.ended FROM arch_builds b JOIN jobs j ON j.id = b.job
        WHERE b.target = $1 AND b.open ORDER BY j.work";
    for row in tx.query_all(sql, vec![target.into()]).await? {
        let (job, work) = (JobId(row.get("job")?), WorkId(row.get("work")?));
        let has_ended = row.get::<Option<i64>>("ended")?.is_some();
        let waits = !has_ended && WorkRow::lock(tx, work).await?.status == WorkStatus::Ready;
        if waits {
            cancel_in(tx, &(now, job, Cause::Superseded)).await?;
        }
        // The log of one that our own runner ended is still to be kept.
        let is_native: bool = row.get("native")?;
        if waits || has_ended && !is_native {
            close(tx, job).await?;
        }
    }
    Ok(())
}

/// The build is not looked for any more.
pub(super) async fn close(tx: &Tx, job: JobId) -> Result<(), StoreError> {
    let sql = "UPDATE arch_builds SET open = $2 WHERE job = $1";
    tx.execute(sql, vec![job.0.into(), false.into()]).await.map(|_| ())
}
