//! The end of an attempt that its runner reported, and of works that nobody will run.

use crate::change::{AttemptRow, Change, End, WorkRow, take_turn_for_attempt, take_turn_for_work};
use crate::db::{Tx, Write};
use ropewalk_core::finish::AttemptEnd;
use ropewalk_core::port::{BlobRef, Finish, Finished, StoreError};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{AttemptId, WorkId};
use ropewalk_model::link::{LogFile, LogName};
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;

pub(super) const FINISH: Write =
    Write::durable("end an attempt").points(Point::FinishBeforeCommit, Point::FinishAfterCommit);
pub(super) const FAIL: Write =
    Write::durable("end a work").points(Point::FinishBeforeCommit, Point::FinishAfterCommit);

pub(crate) async fn finish(tx: &Tx, (now, finish): &(Time, Finish)) -> Result<Finished, StoreError> {
    take_turn_for_attempt(tx, finish.attempt).await?;
    let (attempt, mut work) = AttemptRow::lock_with_work(tx, finish.attempt).await?;
    if !attempt.has_fence(finish.fence) || attempt.lost {
        return Err(StoreError::Superseded { attempt: finish.attempt.0 });
    }
    if attempt.ended {
        return Ok(Finished { repeated: true, ..Finished::default() });
    }
    for (log, blob) in &finish.logs {
        keep_log(tx, attempt.id, *log, blob).await?;
    }
    let mut change = Change::new(tx, *now);
    change.end_attempt(&attempt, &mut work, AttemptEnd::Reported(&finish.outcome)).await?;
    change.settle().await
}

/// From now on readers find the log as a blob.
async fn keep_log(tx: &Tx, attempt: AttemptId, log: LogFile, blob: &BlobRef) -> Result<(), StoreError> {
    let size = i64::try_from(blob.size).map_err(|_| {
        StoreError::Refused(format!("a log of {} bytes is larger than any can be", blob.size))
    })?;
    let sql = "INSERT INTO attempt_logs (attempt, log, sha256, size) VALUES ($1, $2, $3, $4)";
    let values = vec![attempt.0.into(), log_number(log).into(), blob.sha256.as_str().into(), size.into()];
    tx.execute(sql, values).await.map(|_| ())
}

/// How a file of a log is named in column `attempt_logs.log`: -1 is the setup log, numbers from 0 are positions of
/// steps; numbers from -2 down are the times of what these name.
pub(crate) fn log_number(file: LogFile) -> i64 {
    let of_log = |log| match log {
        LogName::Setup => -1,
        LogName::Step(position) => i64::from(position),
    };
    match file {
        LogFile::Text(log) => of_log(log),
        LogFile::Times(log) => -3 - of_log(log),
    }
}

pub(super) async fn fail_work(
    tx: &Tx,
    (now, id, cause, message): &(Time, WorkId, Cause, String),
) -> Result<Finished, StoreError> {
    take_turn_for_work(tx, *id).await?;
    let work = WorkRow::lock(tx, *id).await?;
    if work.status.is_final() || work.status == WorkStatus::Leased {
        return Err(StoreError::Refused(format!("work {id} is {}: it cannot be given up", work.status)));
    }
    let mut change = Change::new(tx, *now);
    let (cause, message) = (Some(*cause), Some(message.clone()));
    change.end(*id, End { status: WorkStatus::Failed, cause, message, culprit: None });
    change.settle().await
}
