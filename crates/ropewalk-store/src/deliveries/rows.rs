//! Rows of deliveries.

use crate::change::{Change, from_json, narrow, to_json};
use crate::db::{Channel, Database, Row, Tx, Write};
use ropewalk_core::port::{Delivery, StoreError, TriggerAction};
use ropewalk_model::ids::{DeliveryId, GroupId, JobId};
use ropewalk_model::time::Time;
use std::time::Duration;

pub(super) const TAKE: Write = Write::durable("take deliveries").claiming();
pub(super) const SETTLE: Write = Write::durable("note that a delivery is done");
pub(super) const POSTPONE: Write = Write::durable("put off a delivery");

const COLUMNS: &str = "id, job, job_group, action, tries";

/// Decides that a message about a job be sent. A second one with the same key is not made.
pub(crate) async fn make_for_job(
    change: &mut Change<'_>,
    key: String,
    job: JobId,
    action: &TriggerAction,
) -> Result<(), StoreError> {
    make(change, key, Some(job.0), None, action).await
}

/// Decides that a message about a group be sent. A second one with the same key is not made.
pub(crate) async fn make_for_group(
    change: &mut Change<'_>,
    key: String,
    group: GroupId,
    action: &TriggerAction,
) -> Result<(), StoreError> {
    make(change, key, None, Some(group.0), action).await
}

async fn make(
    change: &mut Change<'_>,
    key: String,
    job: Option<i64>,
    group: Option<i64>,
    action: &TriggerAction,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO deliveries (key, job, job_group, action, created, next_at, tries)
        VALUES ($1, $2, $3, $4, $5, $5, 0) ON CONFLICT (key) DO NOTHING";
    let values = vec![key.into(), job.into(), group.into(), to_json(action)?.into(), change.now.0.into()];
    change.tx.execute(sql, values).await?;
    change.tx.after_commit_notify(Channel::Deliveries);
    Ok(())
}

pub(super) async fn take(
    tx: &Tx,
    (now, n, lease): &(Time, u32, Duration),
) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM deliveries WHERE settled IS NULL AND next_at <= $1
        ORDER BY next_at, id LIMIT $2{}",
        tx.skip_locked()
    );
    let rows = tx.query_all(&sql, vec![now.0.into(), i64::from(*n).into()]).await?;
    let taken = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for delivery in &taken {
        let sql = "UPDATE deliveries SET next_at = $2, tries = tries + 1 WHERE id = $1";
        tx.execute(sql, vec![delivery.id.0.into(), now.plus(*lease).0.into()]).await?;
    }
    Ok(taken)
}

pub(super) async fn settle(tx: &Tx, (now, id, note): &(Time, DeliveryId, String)) -> Result<(), StoreError> {
    let sql = "UPDATE deliveries SET settled = COALESCE(settled, $2), note = $3 WHERE id = $1";
    found(*id, tx.execute(sql, vec![id.0.into(), now.0.into(), note.as_str().into()]).await?)
}

/// One that somebody else settled meanwhile stays settled.
pub(super) async fn postpone(
    tx: &Tx,
    (id, next_at, note): &(DeliveryId, Time, String),
) -> Result<(), StoreError> {
    let sql = "UPDATE deliveries SET next_at = CASE WHEN settled IS NULL THEN $2 ELSE next_at END,
        note = CASE WHEN settled IS NULL THEN $3 ELSE note END WHERE id = $1";
    found(*id, tx.execute(sql, vec![id.0.into(), next_at.0.into(), note.as_str().into()]).await?)
}

fn found(id: DeliveryId, rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::Missing(format!("delivery {id}"))) } else { Ok(()) }
}

pub(super) async fn of(db: &Database, job: JobId) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE job = $1 ORDER BY id");
    db.query_all("list the deliveries of a job", &sql, vec![job.0.into()]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: DeliveryId(row.get("id")?),
        job: row.get::<Option<i64>>("job")?.map(JobId),
        group: row.get::<Option<i64>>("job_group")?.map(GroupId),
        action: from_json(row, "action")?,
        tries: narrow(row, "tries")?,
    })
}
