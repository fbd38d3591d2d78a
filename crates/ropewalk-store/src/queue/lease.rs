//! Handing out works.

#[cfg(test)]
mod plans;

use super::runners;
use crate::change::{Change, WorkRow, drop_old_usage};
use crate::db::{Row, Tx, Write};
use ropewalk_core::port::{Lease, StoreError};
use ropewalk_core::turn::{CHARGE, Lot};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{AttemptId, ClassId, Fence, JobId, RunnerId, ShareGroupId, WorkId};
use ropewalk_model::plan::SealedPlan;
use ropewalk_model::status::WorkStatus;
use ropewalk_model::time::Time;
use std::time::Duration;

pub(super) const LEASE: Write =
    Write::relaxed("lease works").claiming().points(Point::LeaseBeforeCommit, Point::LeaseAfterCommit);

/// Longest lists that one call hands out.
const MOST: u32 = 256;

/// Every pair of a class that the runner serves and a share group with ready works, by jumping from one to the next
/// along `works_ready`; `head` is its first work. Works of other classes and those behind a head are never touched.
const LOTS: &str = "
    WITH RECURSIVE lots (class, share_group) AS (
        SELECT c.class,
            (SELECT MIN(w.share_group) FROM works w WHERE w.status = 'ready' AND w.class = c.class)
        FROM runner_classes c WHERE c.runner = $1
        UNION ALL
        SELECT l.class,
            (SELECT MIN(w.share_group) FROM works w
                WHERE w.status = 'ready' AND w.class = l.class AND w.share_group > l.share_group)
        FROM lots l WHERE l.share_group IS NOT NULL
    )
    SELECT l.class, l.share_group, g.shares, g.used, g.running, g.counted,
        (SELECT w.id FROM works w WHERE w.status = 'ready' AND w.class = l.class AND w.share_group = l.share_group
            ORDER BY w.bump DESC, w.priority DESC, w.id LIMIT 1) AS head
    FROM lots l JOIN share_groups g ON g.id = l.share_group";

/// The first ready work of a lot.
const HEAD: &str = "SELECT id, bump, priority FROM works
    WHERE status = 'ready' AND class = $1 AND share_group = $2 ORDER BY bump DESC, priority DESC, id LIMIT 1";

struct Candidate {
    class: ClassId,
    group: ShareGroupId,
    lot: Lot,
}

pub(crate) async fn next(
    tx: &Tx,
    (now, runner, n, lease_for): &(Time, RunnerId, u32, Duration),
) -> Result<Vec<Lease>, StoreError> {
    runners::seen(tx, *runner, *now).await?;
    drop_old_usage(tx, *now).await?;
    let mut candidates = candidates(tx, *runner, *now).await?;
    let mut change = Change::new(tx, *now);
    let mut leases = Vec::new();
    let most = usize::try_from(*n.min(&MOST)).unwrap_or(usize::MAX);
    while leases.len() < most {
        let Some(first) = (0..candidates.len()).min_by(|a, b| by_turn(&candidates, *a, *b)) else { break };
        let Some(candidate) = candidates.get_mut(first) else { break };
        match take_head(tx, candidate).await? {
            Some(work) => {
                leases.push(hand_out(&mut change, work, *runner, *lease_for).await?);
                let group = candidate.group;
                charge(&mut candidates, group);
            }
            None => {
                candidates.swap_remove(first);
                continue;
            }
        }
        if let Some(candidate) = candidates.get_mut(first)
            && !look_at_head(tx, candidate).await?
        {
            candidates.swap_remove(first);
        }
    }
    change.settle().await?;
    Ok(leases)
}

fn by_turn(candidates: &[Candidate], a: usize, b: usize) -> std::cmp::Ordering {
    match (candidates.get(a), candidates.get(b)) {
        (Some(a), Some(b)) => a.lot.turn(&b.lot),
        _ => std::cmp::Ordering::Equal,
    }
}

async fn candidates(tx: &Tx, runner: RunnerId, now: Time) -> Result<Vec<Candidate>, StoreError> {
    let mut candidates = Vec::new();
    for row in tx.query_all(LOTS, vec![runner.0.into()]).await? {
        let Some(head) = row.get::<Option<i64>>("head")? else { continue };
        let sql = "SELECT bump, priority FROM works WHERE id = $1";
        let Some(first) = tx.query_one(sql, vec![head.into()]).await? else { continue };
        candidates.push(Candidate {
            class: ClassId(row.get("class")?),
            group: ShareGroupId(row.get("share_group")?),
            lot: Lot {
                head: WorkId(head),
                bump: first.get("bump")?,
                priority: first.get("priority")?,
                used: used(&row, now)?,
                shares: row.get("shares")?,
            },
        });
    }
    Ok(candidates)
}

/// What a group used until now, what runs included.
fn used(row: &Row, now: Time) -> Result<i64, StoreError> {
    let (used, running): (i64, i64) = (row.get("used")?, row.get("running")?);
    let since = now.since(Time(row.get("counted")?));
    let since = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Ok(used.saturating_add(running.saturating_mul(since)))
}

/// Locks the first work of a lot that no other server is about to hand out.
async fn take_head(tx: &Tx, candidate: &Candidate) -> Result<Option<WorkRow>, StoreError> {
    let sql = format!("{HEAD}{}", tx.skip_locked());
    let values = vec![candidate.class.0.into(), candidate.group.0.into()];
    let Some(row) = tx.query_one(&sql, values).await? else { return Ok(None) };
    let work = WorkRow::lock(tx, WorkId(row.get("id")?)).await?;
    Ok((work.status == WorkStatus::Ready).then_some(work))
}

/// Looks at what comes next in a lot; false if nothing does.
async fn look_at_head(tx: &Tx, candidate: &mut Candidate) -> Result<bool, StoreError> {
    let values = vec![candidate.class.0.into(), candidate.group.0.into()];
    let Some(row) = tx.query_one(HEAD, values).await? else { return Ok(false) };
    candidate.lot.head = WorkId(row.get("id")?);
    candidate.lot.bump = row.get("bump")?;
    candidate.lot.priority = row.get("priority")?;
    Ok(true)
}

/// The group of a work that was handed out has used more by now.
fn charge(candidates: &mut [Candidate], group: ShareGroupId) {
    let charge = i64::try_from(CHARGE.as_micros()).unwrap_or(i64::MAX);
    for candidate in candidates.iter_mut().filter(|candidate| candidate.group == group) {
        candidate.lot.used = candidate.lot.used.saturating_add(charge);
    }
}

async fn hand_out(
    change: &mut Change<'_>,
    mut work: WorkRow,
    runner: RunnerId,
    lease_for: Duration,
) -> Result<Lease, StoreError> {
    let (tx, now) = (change.tx, change.now);
    work.attempts += 1;
    let until = now.plus(lease_for);
    let fence = next_fence(tx, work.id, now).await?;
    let sql = "INSERT INTO attempts (work, number, fence, runner, leased, reports, lost)
        VALUES ($1, $2, $3, $4, $5, 0, $6) RETURNING id";
    let values = vec![
        work.id.0.into(),
        work.attempts.into(),
        fence.0.into(),
        runner.0.into(),
        now.0.into(),
        false.into(),
    ];
    let Some(row) = tx.query_one(sql, values).await? else {
        return Err(StoreError::Corrupt("an attempt that got no number".into()));
    };
    let attempt = AttemptId(row.get("id")?);
    // The primary key of this table is what keeps a work from being held twice.
    let sql =
        "INSERT INTO leases (work, attempt, runner, fence, renewed, until) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![
        work.id.0.into(),
        attempt.0.into(),
        runner.0.into(),
        fence.0.into(),
        now.0.into(),
        until.0.into(),
    ];
    tx.execute(sql, values).await?;
    change.move_work(&mut work, WorkStatus::Leased).await?;
    change.account(work.share_group, 1);
    let (plan, job) = what_to_run(tx, work.id).await?;
    Ok(Lease { work: work.id, attempt, fence, until, plan, job })
}

/// The time, or one more than the last fence of this work. A plain count would be given twice where a crash of the
/// machine takes back a lease that a runner has heard of.
async fn next_fence(tx: &Tx, work: WorkId, now: Time) -> Result<Fence, StoreError> {
    let sql = "SELECT COALESCE(MAX(fence), 0) AS fence FROM attempts WHERE work = $1";
    let last: i64 = match tx.query_one(sql, vec![work.0.into()]).await? {
        Some(row) => row.get("fence")?,
        None => 0,
    };
    Ok(Fence(now.0.max(last.saturating_add(1))))
}

async fn what_to_run(tx: &Tx, work: WorkId) -> Result<(SealedPlan, Option<JobId>), StoreError> {
    let sql = "SELECT p.hash, p.json, (SELECT MIN(j.id) FROM jobs j
            WHERE j.work = w.id AND j.status IN ('pending', 'queued', 'running')) AS job
        FROM works w JOIN plans p ON p.hash = w.plan WHERE w.id = $1";
    let Some(row) = tx.query_one(sql, vec![work.0.into()]).await? else {
        return Err(StoreError::Corrupt(format!("work {work}, which has no plan")));
    };
    let plan = SealedPlan { hash: row.get("hash")?, json: row.get("json")? };
    Ok((plan, row.get::<Option<i64>>("job")?.map(JobId)))
}
