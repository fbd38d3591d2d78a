//! What share groups used within the last 24 hours: running totals, so that no query reads history.
//!
//! A group's row holds microseconds used until `counted` and how many of its works run since then; the same numbers
//! by hour let old ones fall out of the window.

use crate::db::Tx;
use ropewalk_core::port::StoreError;
use ropewalk_core::turn::{CHARGE, WINDOW};
use ropewalk_model::ids::ShareGroupId;
use ropewalk_model::time::Time;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Counts a group's use up to now and changes how many of its works run. Each lease costs [`CHARGE`].
pub(super) async fn account(tx: &Tx, now: Time, group: ShareGroupId, running: i64) -> Result<(), StoreError> {
    let sql = format!("SELECT running, counted FROM share_groups WHERE id = $1{}", tx.for_update());
    let Some(row) = tx.query_one(&sql, vec![group.0.into()]).await? else {
        return Err(StoreError::Corrupt(format!("a work of share group {group}, which is not there")));
    };
    let (ran, counted): (i64, i64) = (row.get("running")?, row.get("counted")?);
    let charge = running.max(0).saturating_mul(micros(CHARGE));
    let used = ran.saturating_mul(micros(now.since(Time(counted)))).saturating_add(charge);
    let sql = "UPDATE share_groups SET used = used + $2, running = running + $3, counted = $4 WHERE id = $1";
    let until = now.0.max(counted);
    tx.execute(sql, vec![group.0.into(), used.into(), running.into(), until.into()]).await?;
    if used > 0 {
        let sql = "INSERT INTO share_usage (share_group, hour, used) VALUES ($1, $2, $3)
            ON CONFLICT (share_group, hour) DO UPDATE SET used = share_usage.used + excluded.used";
        tx.execute(sql, vec![group.0.into(), hour(now).into(), used.into()]).await?;
    }
    Ok(())
}

/// Lets hours older than the window fall out of the totals.
pub(crate) async fn drop_old_usage(tx: &Tx, now: Time) -> Result<(), StoreError> {
    let oldest = hour(now.minus(WINDOW));
    let sql = "DELETE FROM share_usage WHERE hour < $1 RETURNING share_group, used";
    for row in tx.query_all(sql, vec![oldest.into()]).await? {
        let sql = "UPDATE share_groups SET used = used - $2 WHERE id = $1";
        let (group, used): (i64, i64) = (row.get("share_group")?, row.get("used")?);
        tx.execute(sql, vec![group.into(), used.into()]).await?;
    }
    Ok(())
}

fn hour(at: Time) -> i64 {
    at.0.div_euclid(micros(HOUR))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
