//! Making works.

use crate::change::{Change, WorkRow};
use crate::db::Tx;
use ropewalk_core::port::{Loss, NewWork, StoreError};
use ropewalk_model::ids::{ClassId, ShareGroupId, WorkId};
use ropewalk_model::link::Outcome;
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::HashMap;

/// What a new row of `works` holds.
pub(super) struct Blank {
    pub(super) key: Option<String>,
    pub(super) plan: String,
    pub(super) class: ClassId,
    pub(super) share_group: ShareGroupId,
    pub(super) priority: i64,
    pub(super) not_before: Option<Time>,
    pub(super) loss_attempts: i64,
    pub(super) loss_cause: Cause,
    /// It ended before anybody needed it.
    pub(super) ended: Option<Outcome>,
}

/// A work that was made or joined.
pub(super) struct Placed {
    pub(super) id: WorkId,
    /// False: an unfinished work with the same key was there.
    pub(super) new: bool,
}

impl Blank {
    pub(super) fn new(new: &NewWork, class: ClassId, share_group: ShareGroupId) -> Blank {
        Blank {
            key: new.key.clone(),
            plan: new.plan.hash.clone(),
            class,
            share_group,
            priority: i64::from(new.priority),
            not_before: new.not_before,
            loss_attempts: i64::from(new.loss.attempts.max(1)),
            loss_cause: new.loss.cause,
            ended: new.ended.clone(),
        }
    }

    /// The row that was just made of it.
    pub(super) fn row(&self, id: WorkId) -> WorkRow {
        let (status, cause, _) = self.end();
        WorkRow {
            id,
            share_group: self.share_group,
            status,
            released: status.is_final(),
            not_before: self.not_before,
            unmet: 0,
            wanted: 0,
            attempts: 0,
            lost: 0,
            loss: Loss {
                attempts: u32::try_from(self.loss_attempts).unwrap_or(u32::MAX),
                cause: self.loss_cause,
            },
            cancel: None,
            cause,
            culprit: None,
            replaced_by: None,
        }
    }

    fn end(&self) -> (WorkStatus, Option<Cause>, Option<&str>) {
        match &self.ended {
            None => (WorkStatus::Held, None, None),
            Some(Outcome::Success) => (WorkStatus::Succeeded, None, None),
            Some(Outcome::Failure { cause, message }) => (WorkStatus::Failed, Some(*cause), Some(message)),
        }
    }
}

/// Makes a work, or joins the unfinished one with its key.
pub(super) async fn place(
    change: &mut Change<'_>,
    blank: &Blank,
    needs: &[WorkId],
) -> Result<Placed, StoreError> {
    loop {
        if let Some(key) = &blank.key
            && let Some(found) = WorkRow::lock_by_key(change.tx, key).await?
        {
            raise_priority(change.tx, found.id, blank.priority).await?;
            return Ok(Placed { id: found.id, new: false });
        }
        // Somebody else may have made one with the same key since; then no row comes back.
        if let Some(id) = insert(change, &[blank]).await?.into_values().next() {
            if blank.ended.is_none() {
                add_needs(change, id, needs).await?;
            }
            return Ok(Placed { id, new: true });
        }
    }
}

/// Makes works, each of another key, and answers with the numbers by their keys. One whose key belongs to an unfinished
/// work is not made.
pub(super) async fn insert(
    change: &Change<'_>,
    blanks: &[&Blank],
) -> Result<HashMap<Option<String>, WorkId>, StoreError> {
    let head =
        "INSERT INTO works (key, plan, class, share_group, priority, bump, status, released, not_before,
            unmet, wanted, attempts, lost, loss_attempts, loss_cause, cause, message, created, ended)";
    let row = |blank: &&Blank| {
        let (status, cause, message) = blank.end();
        let zero = || Value::from(0_i64);
        vec![
            blank.key.clone().into(),
            blank.plan.as_str().into(),
            blank.class.0.into(),
            blank.share_group.0.into(),
            blank.priority.into(),
            zero(),
            status.to_string().into(),
            status.is_final().into(),
            blank.not_before.map(|time| time.0).into(),
            zero(),
            zero(),
            zero(),
            zero(),
            blank.loss_attempts.into(),
            blank.loss_cause.to_string().into(),
            cause.map(|cause| cause.to_string()).into(),
            message.map(ToOwned::to_owned).into(),
            change.now.0.into(),
            status.is_final().then_some(change.now.0).into(),
        ]
    };
    let rows = blanks.iter().map(row).collect();
    let made = change.tx.insert_all(head, rows, "ON CONFLICT DO NOTHING RETURNING id, key").await?;
    made.iter().map(|row| Ok((row.get("key")?, WorkId(row.get("id")?)))).collect()
}

/// Ties a new work to what it needs.
async fn add_needs(change: &mut Change<'_>, work: WorkId, needs: &[WorkId]) -> Result<(), StoreError> {
    let mut unmet = 0_i64;
    let mut needs = needs.to_vec();
    needs.sort_unstable();
    needs.dedup();
    for id in needs {
        // Locked, so that it cannot end between this look at it and the edge.
        let needed = WorkRow::lock(change.tx, id).await?;
        let sql = "INSERT INTO work_edges (work, needs) VALUES ($1, $2)";
        change.tx.execute(sql, vec![work.0.into(), id.0.into()]).await?;
        match needed.status {
            WorkStatus::Succeeded => {}
            status => {
                unmet += 1;
                if !status.is_final() {
                    change.want(id).await?;
                }
            }
        }
    }
    let sql = "UPDATE works SET unmet = $2 WHERE id = $1";
    change.tx.execute(sql, vec![work.0.into(), unmet.into()]).await.map(drop)
}

async fn raise_priority(tx: &Tx, work: WorkId, priority: i64) -> Result<(), StoreError> {
    let sql = "UPDATE works SET priority = $2 WHERE id = $1 AND priority < $2";
    tx.execute(sql, vec![work.0.into(), priority.into()]).await.map(|_| ())
}

/// The share group of a name; made if it is new, with the weight it has now.
pub(super) async fn share_group(tx: &Tx, name: &str, shares: i32) -> Result<ShareGroupId, StoreError> {
    let shares = i64::from(shares.max(1));
    let sql = "SELECT id, shares FROM share_groups WHERE name = $1";
    if let Some(row) = tx.query_one(sql, vec![name.into()]).await? {
        let id: i64 = row.get("id")?;
        if row.get::<i64>("shares")? != shares {
            let sql = "UPDATE share_groups SET shares = $2 WHERE id = $1";
            tx.execute(sql, vec![id.into(), shares.into()]).await?;
        }
        return Ok(ShareGroupId(id));
    }
    let sql = "INSERT INTO share_groups (name, shares, used, running, counted) VALUES ($1, $2, 0, 0, 0)
        ON CONFLICT (name) DO UPDATE SET shares = excluded.shares RETURNING id";
    match tx.query_one(sql, vec![name.into(), shares.into()]).await? {
        Some(row) => row.get("id").map(ShareGroupId),
        None => Err(StoreError::Corrupt(format!("share group {name}, which got no number"))),
    }
}
