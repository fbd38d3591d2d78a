//! What people change about builds.

use super::settle::clear;
use crate::change::{JobRow, take_turn};
use crate::db::{Channel, Tx, Write};
use crate::jobs::{cancel_in, restart_in};
use crate::queue::bump_in;
use ropewalk_core::port::StoreError;
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{JobId, WorkId};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use std::collections::{BTreeSet, VecDeque};

pub(in crate::nix) const RESTART: Write =
    Write::durable("restart builds").slow().points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);
pub(in crate::nix) const CANCEL: Write =
    Write::durable("cancel builds").slow().points(Point::CancelBeforeCommit, Point::CancelAfterCommit);
pub(in crate::nix) const BUMP: Write = Write::durable("put builds in front").slow();
pub(in crate::nix) const KEEP: Write = Write::durable("keep a build");
pub(in crate::nix) const FORGET: Write = Write::durable("forget failures");

pub(in crate::nix) async fn restart(
    tx: &Tx,
    (now, builds): &(Time, Vec<i64>),
) -> Result<Vec<i64>, StoreError> {
    take_turn(tx).await?;
    let (mut due, mut seen) =
        (VecDeque::from(builds.clone()), builds.iter().copied().collect::<BTreeSet<_>>());
    let mut restarted = vec![];
    while let Some(build) = due.pop_front() {
        let (job, root) = JobRow::lock_with_work(tx, JobId(build)).await?;
        // One before may have taken it along.
        if !job.status.is_final() {
            continue;
        }
        let failed = forget_below(tx, root.id).await?;
        restart_in(tx, &(*now, job.id)).await?;
        restarted.push(build);
        for drv_path in failed {
            due.extend(
                failed_by_memory(tx, &drv_path).await?.into_iter().filter(|build| seen.insert(*build)),
            );
        }
    }
    reopen(tx).await?;
    tx.after_commit_notify(Channel::Events);
    Ok(restarted)
}

/// Forgets the failures of a work and of all that it needs; answers which derivations did not succeed.
async fn forget_below(tx: &Tx, root: WorkId) -> Result<Vec<String>, StoreError> {
    let (mut due, mut seen, mut failed) = (vec![root], BTreeSet::from([root]), vec![]);
    while let Some(id) = due.pop() {
        let sql = "SELECT key FROM works WHERE id = $1 AND status <> 'succeeded' AND key IS NOT NULL";
        if let Some(row) = tx.query_one(sql, vec![id.0.into()]).await? {
            let drv_path: String = row.get("key")?;
            let sql = "DELETE FROM nix_failures WHERE drv_path = $1";
            tx.execute(sql, vec![drv_path.as_str().into()]).await?;
            failed.push(drv_path);
        }
        // What succeeded has nothing below it that failed.
        let sql = "SELECT e.needs FROM work_edges e JOIN works w ON w.id = e.needs
            WHERE e.work = $1 AND w.status <> 'succeeded'";
        for row in tx.query_all(sql, vec![id.0.into()]).await? {
            let needed = WorkId(row.get("needs")?);
            if seen.insert(needed) {
                due.push(needed);
            }
        }
    }
    Ok(failed)
}

/// Current builds that failed because a failure of this derivation was remembered: nothing ran for them, so that no
/// work ties them to the one that did fail.
async fn failed_by_memory(tx: &Tx, drv_path: &str) -> Result<Vec<i64>, StoreError> {
    let name = drv_path.rsplit('/').next().unwrap_or_default();
    let sql = "SELECT DISTINCT j.id FROM nix_works n JOIN works c ON c.id = n.work
        JOIN works w ON w.culprit = c.id OR w.id = c.id JOIN jobs j ON j.work = w.id JOIN nix_builds b ON b.job = j.id
        WHERE n.drv = $1 AND c.cause = 'cached-failure' AND j.status = 'failed' AND b.is_current ORDER BY j.id";
    let rows = tx.query_all(sql, vec![name.into()]).await?;
    rows.iter().map(|row| row.get("id")).collect()
}

/// Builds whose jobs were reopened, in the words of the index that holds only these, become unfinished.
pub(in crate::nix) async fn reopen(tx: &Tx) -> Result<(), StoreError> {
    let sql = "SELECT id FROM jobs WHERE ended IS NULL AND settled > 0 AND kind = 'hydra-build' ORDER BY id";
    for row in tx.query_all(sql, vec![]).await? {
        let build = JobId(row.get("id")?);
        let sql = "UPDATE nix_builds SET finished = $2, status = NULL, is_cached = $2, started = NULL, stopped = NULL,
            size = NULL, closure_size = NULL, release_name = NULL, message = NULL WHERE job = $1";
        tx.execute(sql, vec![build.0.into(), false.into()]).await?;
        clear(tx, build).await?;
        tx.execute("UPDATE jobs SET settled = 0 WHERE id = $1", vec![build.0.into()]).await?;
    }
    Ok(())
}

pub(in crate::nix) async fn cancel(tx: &Tx, (now, builds): &(Time, Vec<i64>)) -> Result<usize, StoreError> {
    take_turn(tx).await?;
    let mut cancelled = 0;
    for build in builds {
        let sql = "SELECT id FROM jobs WHERE id = $1 AND ended IS NULL";
        if tx.query_one(sql, vec![(*build).into()]).await?.is_some() {
            cancel_in(tx, &(*now, JobId(*build), Cause::Cancelled)).await?;
            cancelled += 1;
        }
    }
    Ok(cancelled)
}

pub(in crate::nix) async fn bump(tx: &Tx, (now, builds): &(Time, Vec<i64>)) -> Result<(), StoreError> {
    take_turn(tx).await?;
    for build in builds {
        let sql = "SELECT work FROM jobs WHERE id = $1";
        let Some(row) = tx.query_one(sql, vec![(*build).into()]).await? else { continue };
        bump_in(tx, &(*now, WorkId(row.get("work")?))).await?;
        let sql = "UPDATE nix_builds SET bumped = $2 WHERE job = $1";
        tx.execute(sql, vec![(*build).into(), now.0.into()]).await?;
    }
    Ok(())
}

pub(in crate::nix) async fn keep(tx: &Tx, (build, keep): &(i64, bool)) -> Result<(), StoreError> {
    let sql = "UPDATE nix_builds SET keep = $2 WHERE job = $1";
    match tx.execute(sql, vec![(*build).into(), (*keep).into()]).await? {
        0 => Err(StoreError::Missing(format!("build {build}"))),
        _ => Ok(()),
    }
}

pub(in crate::nix) async fn forget(tx: &Tx, (now, all): &(Time, bool)) -> Result<u64, StoreError> {
    let before = if *all { i64::MAX } else { now.0 };
    tx.execute("DELETE FROM nix_failures WHERE until <= $1", vec![before.into()]).await
}
