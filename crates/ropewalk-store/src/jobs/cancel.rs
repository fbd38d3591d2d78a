//! Asking that a job end.

use crate::change::{Change, JobRow, WorkRow, take_turn_for_job};
use crate::db::{Channel, Tx, Write};
use ropewalk_core::port::StoreError;
use ropewalk_model::fault::Point;
use ropewalk_model::ids::JobId;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;

pub(super) const CANCEL: Write =
    Write::durable("cancel a job").points(Point::CancelBeforeCommit, Point::CancelAfterCommit);

pub(crate) async fn cancel(tx: &Tx, (now, id, cause): &(Time, JobId, Cause)) -> Result<bool, StoreError> {
    take_turn_for_job(tx, *id).await?;
    let (mut job, root) = JobRow::lock_with_work(tx, *id).await?;
    if job.status.is_final() {
        return Err(StoreError::Refused(format!("job {id} has ended: {}", job.status)));
    }
    if job.cancel.is_some() {
        return Ok(false);
    }
    let sql = "UPDATE jobs SET cancel = $2 WHERE id = $1";
    tx.execute(sql, vec![id.0.into(), cause.to_string().into()]).await?;
    job.cancel = Some(*cause);
    let mut change = Change::new(tx, *now);
    change.withdraw(root.id, *cause).await?;
    let root = WorkRow::lock(tx, root.id).await?;
    change.settle_job(&mut job, &root).await?;
    change.settle().await?;
    // Its runner is told with the next renewal, which need not wait for its turn.
    tx.after_commit_notify(Channel::Queue);
    let job = JobRow::lock(tx, *id).await?;
    Ok(job.status.is_final())
}
