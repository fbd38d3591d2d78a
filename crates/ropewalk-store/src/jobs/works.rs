//! Making works.

use crate::change::{Change, WorkRow};
use crate::db::Tx;
use crate::queue::class_of;
use ropewalk_core::port::{NewWork, StoreError};
use ropewalk_model::ids::{ClassId, ShareGroupId, WorkId};
use ropewalk_model::link::Outcome;
use ropewalk_model::plan::SealedPlan;
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;

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
    /// It needs a work that ended without success; that work's culprit.
    pub(super) doomed_by: Option<WorkId>,
}

/// Prepares what a new work refers to.
pub(super) async fn blank(tx: &Tx, new: &NewWork) -> Result<Blank, StoreError> {
    keep_plan(tx, &new.plan).await?;
    let (name, shares) = &new.share_group;
    Ok(Blank {
        key: new.key.clone(),
        plan: new.plan.hash.clone(),
        class: class_of(tx, &new.requirement).await?,
        share_group: share_group(tx, name, *shares).await?,
        priority: i64::from(new.priority),
        not_before: new.not_before,
        loss_attempts: i64::from(new.loss.attempts.max(1)),
        loss_cause: new.loss.cause,
        ended: new.ended.clone(),
    })
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
            return Ok(Placed { id: found.id, new: false, doomed_by: None });
        }
        // Somebody else may have made one with the same key since; then no row comes back.
        if let Some(id) = insert(change, blank).await? {
            let doomed_by = if blank.ended.is_some() { None } else { add_needs(change, id, needs).await? };
            return Ok(Placed { id, new: true, doomed_by });
        }
    }
}

async fn insert(change: &Change<'_>, blank: &Blank) -> Result<Option<WorkId>, StoreError> {
    let (status, cause, message) = match &blank.ended {
        None => (WorkStatus::Held, None, None),
        Some(Outcome::Success) => (WorkStatus::Succeeded, None, None),
        Some(Outcome::Failure { cause, message }) => {
            (WorkStatus::Failed, Some(cause.to_string()), Some(message.clone()))
        }
    };
    let sql =
        "INSERT INTO works (key, plan, class, share_group, priority, bump, status, released, not_before,
            unmet, wanted, attempts, lost, loss_attempts, loss_cause, cause, message, created, ended)
        VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, 0, 0, 0, 0, $9, $10, $11, $12, $13, $14)
        ON CONFLICT DO NOTHING RETURNING id";
    let values = vec![
        blank.key.clone().into(),
        blank.plan.as_str().into(),
        blank.class.0.into(),
        blank.share_group.0.into(),
        blank.priority.into(),
        status.to_string().into(),
        status.is_final().into(),
        blank.not_before.map(|time| time.0).into(),
        blank.loss_attempts.into(),
        blank.loss_cause.to_string().into(),
        cause.into(),
        message.into(),
        change.now.0.into(),
        status.is_final().then_some(change.now.0).into(),
    ];
    change.tx.query_one(sql, values).await?.map(|row| row.get("id").map(WorkId)).transpose()
}

/// Ties a new work to what it needs. Returns the culprit if one of those has ended without success.
async fn add_needs(
    change: &mut Change<'_>,
    work: WorkId,
    needs: &[WorkId],
) -> Result<Option<WorkId>, StoreError> {
    let (mut unmet, mut doomed_by) = (0_i64, None);
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
                if status.is_final() {
                    doomed_by = doomed_by.or(Some(needed.culprit.unwrap_or(id)));
                } else {
                    change.want(id).await?;
                }
            }
        }
    }
    let sql = "UPDATE works SET unmet = $2 WHERE id = $1";
    change.tx.execute(sql, vec![work.0.into(), unmet.into()]).await?;
    Ok(doomed_by)
}

async fn raise_priority(tx: &Tx, work: WorkId, priority: i64) -> Result<(), StoreError> {
    let sql = "UPDATE works SET priority = $2 WHERE id = $1 AND priority < $2";
    tx.execute(sql, vec![work.0.into(), priority.into()]).await.map(|_| ())
}

async fn keep_plan(tx: &Tx, plan: &SealedPlan) -> Result<(), StoreError> {
    let sql = "INSERT INTO plans (hash, json) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
    tx.execute(sql, vec![plan.hash.as_str().into(), plan.json.as_str().into()]).await.map(|_| ())
}

/// The share group of a name; made if it is new, with the weight it has now.
async fn share_group(tx: &Tx, name: &str, shares: i32) -> Result<ShareGroupId, StoreError> {
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
