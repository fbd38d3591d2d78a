//! Builds of agents that no log will end.

use crate::db::{Database, Tx, Write};
use crate::queue::finish_in;
use ropewalk_core::port::{Finish, StoreError};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{AttemptId, Fence};
use ropewalk_model::link::Outcome;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;

const END: Write = Write::durable("end a build that was cancelled")
    .points(Point::FinishBeforeCommit, Point::FinishAfterCommit);
const CLOSE: Write = Write::relaxed("close builds that ended");

/// Builds whose job has ended and that are looked for all the same.
const ENDED: &str = "SELECT b.job FROM arch_builds b JOIN jobs j ON j.id = b.job
    WHERE b.open AND NOT b.native AND j.ended IS NOT NULL ORDER BY b.job LIMIT $1";

pub(super) async fn close(db: &Database, now: Time, limit: u32) -> Result<u64, StoreError> {
    end_cancelled(db, now, limit).await?;
    let ended = db.query_one("look for builds that ended", ENDED, vec![i64::from(limit).into()]).await?;
    // Most looks find nothing: they write nothing.
    if ended.is_none() { Ok(0) } else { db.write(CLOSE, limit, close_ended).await }
}

async fn close_ended(tx: &Tx, limit: &u32) -> Result<u64, StoreError> {
    let sql = format!("UPDATE arch_builds SET open = $2 WHERE job IN ({ENDED})");
    tx.execute(&sql, vec![i64::from(*limit).into(), false.into()]).await
}

/// Agents renew nothing, so nobody can tell them: what they hold ends without them.
async fn end_cancelled(db: &Database, now: Time, limit: u32) -> Result<(), StoreError> {
    let sql = "SELECT l.attempt, l.fence FROM arch_builds b JOIN jobs j ON j.id = b.job
            JOIN works w ON w.id = j.work JOIN leases l ON l.work = w.id
        WHERE b.open AND NOT b.native AND w.cancel IS NOT NULL ORDER BY b.job LIMIT $1";
    for row in db.query_all("look for cancelled builds", sql, vec![i64::from(limit).into()]).await? {
        let finish = Finish {
            attempt: AttemptId(row.get("attempt")?),
            fence: Fence(row.get("fence")?),
            outcome: Outcome::Failure {
                cause: Cause::Cancelled,
                message: "it was cancelled; an agent has it, and cannot be told".into(),
            },
            logs: vec![],
        };
        match db.write(END, (now, finish), finish_in).await {
            // Its log came meanwhile, or its time is over.
            Ok(_) | Err(StoreError::Superseded { .. }) => {}
            Err(error) => tracing::warn!("a cancelled build could not be ended, trying again: {error}"),
        }
    }
    Ok(())
}
