//! Rows of works and their status.

use super::{Change, End, narrow, optional_word, word};
use crate::db::{Channel, Row, Tx, numbered};
use ropewalk_core::port::{Loss, StoreError};
use ropewalk_model::ids::{ShareGroupId, WorkId};
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::{BTreeMap, HashMap};

/// A work as rules see it.
#[derive(Clone, Debug)]
pub(crate) struct WorkRow {
    pub(crate) id: WorkId,
    pub(crate) share_group: ShareGroupId,
    pub(crate) status: WorkStatus,
    /// A job that was started needs it.
    pub(crate) released: bool,
    pub(crate) not_before: Option<Time>,
    /// Works that it needs and that have not succeeded.
    pub(crate) unmet: i64,
    /// Open jobs that it decides and unfinished works that need it. A job that was asked to end does not count.
    pub(crate) wanted: i64,
    /// Attempts made.
    pub(crate) attempts: i64,
    pub(crate) lost: u32,
    pub(crate) loss: Loss,
    /// Why its runner is to be told to end it.
    pub(crate) cancel: Option<Cause>,
    pub(crate) cause: Option<Cause>,
    pub(crate) culprit: Option<WorkId>,
    pub(crate) replaced_by: Option<WorkId>,
}

const SELECT: &str = "SELECT id, share_group, status, released, not_before, unmet, wanted, attempts, lost, \
    loss_attempts, loss_cause, cancel, cause, culprit, replaced_by FROM works";
/// The same with the key.
const SELECT_WITH_KEY: &str = "SELECT id, share_group, status, released, not_before, unmet, wanted, attempts, lost, \
    loss_attempts, loss_cause, cancel, cause, culprit, replaced_by, key FROM works";

impl WorkRow {
    fn read(row: &Row) -> Result<WorkRow, StoreError> {
        Ok(WorkRow {
            id: WorkId(row.get("id")?),
            share_group: ShareGroupId(row.get("share_group")?),
            status: word(row, "status")?,
            released: row.get("released")?,
            not_before: row.get::<Option<i64>>("not_before")?.map(Time),
            unmet: row.get("unmet")?,
            wanted: row.get("wanted")?,
            attempts: row.get("attempts")?,
            lost: narrow(row, "lost")?,
            loss: Loss { attempts: narrow(row, "loss_attempts")?, cause: word(row, "loss_cause")? },
            cancel: optional_word(row, "cancel")?,
            cause: optional_word(row, "cause")?,
            culprit: row.get::<Option<i64>>("culprit")?.map(WorkId),
            replaced_by: row.get::<Option<i64>>("replaced_by")?.map(WorkId),
        })
    }

    /// Reads a work and keeps others from changing it until the transaction ends.
    pub(crate) async fn lock(tx: &Tx, id: WorkId) -> Result<WorkRow, StoreError> {
        let sql = format!("{SELECT} WHERE id = $1{}", tx.for_update());
        match tx.query_one(&sql, vec![id.0.into()]).await? {
            Some(row) => WorkRow::read(&row),
            None => Err(StoreError::Missing(format!("work {id}"))),
        }
    }

    /// The same for many; ids that no work has are left out.
    pub(crate) async fn lock_all(tx: &Tx, ids: &[WorkId]) -> Result<BTreeMap<WorkId, WorkRow>, StoreError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let tail = format!(" ORDER BY id{}", tx.for_update());
        let rows = tx.for_all(&format!("{SELECT} WHERE id"), &[], &ids, &tail).await?;
        rows.iter().map(|row| WorkRow::read(row).map(|work| (work.id, work))).collect()
    }

    /// The unfinished works with these keys, locked; so many keys as one statement takes.
    pub(crate) async fn lock_by_keys(tx: &Tx, keys: &[&str]) -> Result<HashMap<String, WorkRow>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let (which, lock) = (numbered(1, keys.len()), tx.for_update());
        let sql = format!("{SELECT_WITH_KEY} WHERE key IN ({which}) AND ended IS NULL ORDER BY id{lock}");
        let rows = tx.query_all(&sql, keys.iter().map(|key| Value::from(*key)).collect()).await?;
        rows.iter().map(|row| Ok((row.get("key")?, WorkRow::read(row)?))).collect()
    }

    /// The unfinished work with this key, locked.
    pub(crate) async fn lock_by_key(tx: &Tx, key: &str) -> Result<Option<WorkRow>, StoreError> {
        let sql = format!("{SELECT} WHERE key = $1 AND ended IS NULL{}", tx.for_update());
        tx.query_one(&sql, vec![key.into()]).await?.as_ref().map(WorkRow::read).transpose()
    }
}

impl Change<'_> {
    /// Moves an unfinished work on within its life, and the jobs that it decides with it.
    pub(crate) async fn move_work(&mut self, work: &mut WorkRow, next: WorkStatus) -> Result<(), StoreError> {
        self.check(work, next)?;
        let sql = "UPDATE works SET status = $2, released = $3, lost = $4, attempts = $5, cancel = $6 WHERE id = $1";
        let values = vec![
            work.id.0.into(),
            next.to_string().into(),
            work.released.into(),
            i64::from(work.lost).into(),
            work.attempts.into(),
            work.cancel.map(|cause| cause.to_string()).into(),
        ];
        self.tx.execute(sql, values).await?;
        work.status = next;
        if next == WorkStatus::Ready {
            self.finished.ready.push(work.id);
            self.tx.after_commit_notify(Channel::Queue);
        }
        self.settle_jobs(work).await
    }

    /// Ends a work, and the jobs that it decides with it. Returns false, and changes nothing, if it had ended.
    pub(super) async fn end_work(&mut self, work: &mut WorkRow, end: &End) -> Result<bool, StoreError> {
        if work.status.is_final() {
            return Ok(false);
        }
        self.check(work, end.status)?;
        let sql = "UPDATE works SET status = $2, cause = $3, message = $4, culprit = $5, ended = $6, wanted = 0, \
            cancel = NULL WHERE id = $1";
        let values = vec![
            work.id.0.into(),
            end.status.to_string().into(),
            end.cause.map(|cause| cause.to_string()).into(),
            end.message.clone().into(),
            end.culprit.map(|culprit| culprit.0).into(),
            self.now.0.into(),
        ];
        self.tx.execute(sql, values).await?;
        (work.status, work.cause, work.culprit, work.wanted) = (end.status, end.cause, end.culprit, 0);
        self.settle_jobs(work).await?;
        Ok(true)
    }

    pub(super) fn check(&self, work: &WorkRow, next: WorkStatus) -> Result<(), StoreError> {
        if work.status.may_become(next) {
            return Ok(());
        }
        Err(StoreError::Refused(format!("work {} is {} and cannot become {next}", work.id, work.status)))
    }
}
