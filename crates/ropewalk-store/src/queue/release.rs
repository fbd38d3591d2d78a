//! Works whose time has come, and works put in front.

use crate::change::{Change, WorkRow, take_turn_for_work};
use crate::db::{Channel, Database, Tx, Write};
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::WorkId;
use ropewalk_model::time::Time;
use std::collections::BTreeSet;

const RELEASE: Write = Write::durable("release a work");
pub(super) const BUMP: Write = Write::durable("put a work in front");

pub(super) async fn release_due(db: &Database, now: Time, limit: u32) -> Result<u32, StoreError> {
    let sql = "SELECT id FROM works WHERE status = 'held' AND not_before IS NOT NULL AND released = $3
        AND not_before <= $1 ORDER BY not_before, id LIMIT $2";
    let values = vec![now.0.into(), i64::from(limit).into(), true.into()];
    let mut released = 0;
    for row in db.query_all("look for works whose time has come", sql, values).await? {
        let work = WorkId(row.get("id")?);
        released += u32::from(db.write(RELEASE, (now, work), release_one).await?);
    }
    Ok(released)
}

async fn release_one(tx: &Tx, (now, id): &(Time, WorkId)) -> Result<bool, StoreError> {
    take_turn_for_work(tx, *id).await?;
    let mut work = WorkRow::lock(tx, *id).await?;
    let mut change = Change::new(tx, *now);
    let released = change.release_at(&mut work, *now).await?;
    change.settle().await?;
    Ok(released)
}

pub(crate) async fn bump(tx: &Tx, (now, root): &(Time, WorkId)) -> Result<(), StoreError> {
    take_turn_for_work(tx, *root).await?;
    let (mut due, mut seen) = (vec![*root], BTreeSet::from([*root]));
    while let Some(id) = due.pop() {
        WorkRow::lock(tx, id).await?;
        let sql = "UPDATE works SET bump = $2 WHERE id = $1 AND ended IS NULL";
        tx.execute(sql, vec![id.0.into(), now.0.into()]).await?;
        let sql = "SELECT e.needs FROM work_edges e JOIN works w ON w.id = e.needs
            WHERE e.work = $1 AND w.ended IS NULL ORDER BY e.needs";
        for row in tx.query_all(sql, vec![id.0.into()]).await? {
            let needed = WorkId(row.get("needs")?);
            if seen.insert(needed) {
                due.push(needed);
            }
        }
    }
    tx.after_commit_notify(Channel::Queue);
    Ok(())
}
