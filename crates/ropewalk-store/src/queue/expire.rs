//! Leases that run out, and leases that their runner does not hold any more.

use crate::change::{AttemptRow, Change, take_turn_for_attempt};
use crate::db::{Database, Tx, Write};
use ropewalk_core::finish::AttemptEnd;
use ropewalk_core::port::{Expired, StoreError};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{AttemptId, Fence, RunnerId};
use ropewalk_model::time::Time;

const EXPIRE: Write =
    Write::durable("end leases that ran out").points(Point::FinishBeforeCommit, Point::FinishAfterCommit);
const ABANDON: Write = Write::durable("end leases that were given up")
    .points(Point::FinishBeforeCommit, Point::FinishAfterCommit);

/// The part of a condition that says that a lease ran out at `$1`, where renewals count from `$2` on only.
const RAN_OUT: &str = "until <= $1 AND (renewed >= $2 OR until - renewed <= $1 - $2)";

/// Each lease is a transaction of its own, so that none waits for another's cascade.
pub(super) async fn expire(
    db: &Database,
    now: Time,
    since: Time,
    limit: u32,
) -> Result<Vec<Expired>, StoreError> {
    let sql = format!("SELECT attempt FROM leases WHERE {RAN_OUT} ORDER BY until, work LIMIT $3");
    let values = vec![now.0.into(), since.0.into(), i64::from(limit).into()];
    let mut lost = Vec::new();
    for row in db.query_all("look for leases that ran out", &sql, values).await? {
        let attempt = AttemptId(row.get("attempt")?);
        lost.extend(db.write(EXPIRE, (now, since, attempt), expire_one).await?);
    }
    Ok(lost)
}

async fn expire_one(
    tx: &Tx,
    (now, since, attempt): &(Time, Time, AttemptId),
) -> Result<Option<Expired>, StoreError> {
    let condition = format!("attempt = $3 AND {RAN_OUT}");
    lose(tx, *now, *attempt, &condition, vec![now.0.into(), since.0.into(), attempt.0.into()]).await
}

pub(super) async fn abandon(
    db: &Database,
    now: Time,
    runner: RunnerId,
    held: &[(AttemptId, Fence)],
) -> Result<Vec<Expired>, StoreError> {
    let sql = "SELECT attempt, fence FROM leases WHERE runner = $1 ORDER BY attempt";
    let mut lost = Vec::new();
    for row in db.query_all("look for a runner's leases", sql, vec![runner.0.into()]).await? {
        let lease = (AttemptId(row.get("attempt")?), Fence(row.get("fence")?));
        if !held.contains(&lease) {
            lost.extend(db.write(ABANDON, (now, runner, lease.0), abandon_one).await?);
        }
    }
    Ok(lost)
}

async fn abandon_one(
    tx: &Tx,
    (now, runner, attempt): &(Time, RunnerId, AttemptId),
) -> Result<Option<Expired>, StoreError> {
    let condition = "attempt = $1 AND runner = $2";
    lose(tx, *now, *attempt, condition, vec![attempt.0.into(), runner.0.into()]).await
}

/// Ends an attempt as lost if its lease, locked, still meets the condition.
async fn lose(
    tx: &Tx,
    now: Time,
    id: AttemptId,
    condition: &str,
    values: Vec<sea_orm::Value>,
) -> Result<Option<Expired>, StoreError> {
    take_turn_for_attempt(tx, id).await?;
    let (attempt, mut work) = AttemptRow::lock_with_work(tx, id).await?;
    let sql = format!("SELECT work FROM leases WHERE {condition}");
    if attempt.ended || tx.query_one(&sql, values).await?.is_none() {
        return Ok(None);
    }
    let mut change = Change::new(tx, now);
    let again = change.end_attempt(&attempt, &mut work, AttemptEnd::Lost).await?;
    change.settle().await?;
    Ok(Some(Expired { attempt: id, work: work.id, again }))
}
