//! What an attempt is to a runner.

use crate::db::Tx;
use ropewalk_core::port::{Standing, StoreError};
use ropewalk_model::ids::{AttemptId, Fence, RunnerId};

pub(super) async fn standing(
    tx: &Tx,
    (runner, attempt, fence): &(RunnerId, AttemptId, Fence),
) -> Result<Standing, StoreError> {
    let sql = "SELECT ended FROM attempts WHERE id = $1 AND runner = $2 AND fence = $3 AND NOT lost";
    let found = tx.query_one(sql, vec![attempt.0.into(), runner.0.into(), fence.0.into()]).await?;
    let Some(row) = found else { return Ok(Standing::Superseded) };
    let ended = row.get::<Option<i64>>("ended")?.is_some();
    Ok(if ended { Standing::Ended } else { Standing::Held })
}
