//! Rows of attempts, and their end.

use super::step::StepChange;
use super::{Change, End, JobRow, WorkRow, narrow, optional_word, set_step};
use crate::db::Tx;
use ropewalk_core::finish::{self, AttemptEnd, Next, Tries};
use ropewalk_core::port::StoreError;
use ropewalk_model::event::Fact;
use ropewalk_model::ids::{AttemptId, Fence, WorkId};
use ropewalk_model::link::Outcome;
use ropewalk_model::status::{Cause, StepStatus, WorkStatus};
use ropewalk_model::time::Time;

/// An attempt as rules see it.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRow {
    pub(crate) id: AttemptId,
    pub(crate) work: WorkId,
    /// From 1 within the work.
    pub(crate) number: i64,
    fence: Fence,
    pub(crate) leased: Time,
    /// Number of the last report.
    pub(crate) reports: i64,
    /// Why its runner was told to end it.
    pub(crate) told: Option<Cause>,
    pub(crate) ended: bool,
    /// It ended because nobody said anything.
    pub(crate) lost: bool,
}

impl AttemptRow {
    /// Reads an attempt; keeps others from changing it if asked.
    async fn read(tx: &Tx, id: AttemptId, lock: &str) -> Result<AttemptRow, StoreError> {
        let sql = format!(
            "SELECT work, number, fence, leased, reports, told, ended, lost FROM attempts WHERE id = $1{lock}"
        );
        let Some(row) = tx.query_one(&sql, vec![id.0.into()]).await? else {
            return Err(StoreError::Missing(format!("attempt {id}")));
        };
        Ok(AttemptRow {
            id,
            work: WorkId(row.get("work")?),
            number: row.get("number")?,
            fence: Fence(row.get("fence")?),
            leased: Time(row.get("leased")?),
            reports: narrow(&row, "reports")?,
            told: optional_word(&row, "told")?,
            ended: row.get::<Option<i64>>("ended")?.is_some(),
            lost: row.get("lost")?,
        })
    }

    /// Reads an attempt and keeps others from changing it until the transaction ends.
    pub(crate) async fn lock(tx: &Tx, id: AttemptId) -> Result<AttemptRow, StoreError> {
        AttemptRow::read(tx, id, tx.for_update()).await
    }

    /// Locks the work of an attempt, its lease, then the attempt, in the order that all transactions keep.
    pub(crate) async fn lock_with_work(tx: &Tx, id: AttemptId) -> Result<(AttemptRow, WorkRow), StoreError> {
        let seen = AttemptRow::read(tx, id, "").await?;
        let work = WorkRow::lock(tx, seen.work).await?;
        let sql = format!("SELECT work FROM leases WHERE attempt = $1{}", tx.for_update());
        tx.query_one(&sql, vec![id.0.into()]).await?;
        Ok((AttemptRow::lock(tx, id).await?, work))
    }

    /// Whether a fence is this attempt's.
    pub(crate) fn has_fence(&self, fence: Fence) -> bool {
        self.fence == fence
    }
}

impl Change<'_> {
    /// Ends an open attempt and decides what becomes of its work. Returns whether the work waits for a runner again.
    pub(crate) async fn end_attempt(
        &mut self,
        attempt: &AttemptRow,
        work: &mut WorkRow,
        end: AttemptEnd<'_>,
    ) -> Result<bool, StoreError> {
        self.close_attempt(attempt, work, end).await?;
        let tries = Tries {
            lost: work.lost,
            loss: work.loss,
            wanted: work.wanted > 0,
            told: attempt.told.or(work.cancel),
        };
        match finish::after_attempt(end, tries) {
            Next::Again { lost } => {
                work.lost = work.lost.saturating_add(u32::from(lost));
                work.cancel = None;
                if lost {
                    self.tell_loss(attempt, work.id).await?;
                }
                self.move_work(work, WorkStatus::Ready).await?;
                Ok(true)
            }
            Next::Ended(status, cause) => {
                let message = end_message(end);
                let culprit = None;
                self.end(work.id, End { status, cause, message, culprit });
                self.run().await?;
                Ok(false)
            }
        }
    }

    async fn close_attempt(
        &mut self,
        attempt: &AttemptRow,
        work: &WorkRow,
        end: AttemptEnd<'_>,
    ) -> Result<(), StoreError> {
        let (lost, cause) = match end {
            AttemptEnd::Lost => (true, Some(work.loss.cause)),
            AttemptEnd::Reported(Outcome::Success) => (false, None),
            AttemptEnd::Reported(Outcome::Failure { cause, .. }) => (false, Some(*cause)),
        };
        let sql = "UPDATE attempts SET ended = $2, lost = $3, cause = $4, message = $5 WHERE id = $1";
        let values = vec![
            attempt.id.0.into(),
            self.now.0.into(),
            lost.into(),
            cause.map(|cause| cause.to_string()).into(),
            end_message(end).into(),
        ];
        self.tx.execute(sql, values).await?;
        self.tx.execute("DELETE FROM leases WHERE attempt = $1", vec![attempt.id.0.into()]).await?;
        self.account(work.share_group, -1);
        self.fail_running_steps(attempt).await
    }

    async fn fail_running_steps(&mut self, attempt: &AttemptRow) -> Result<(), StoreError> {
        let sql = "SELECT position FROM step_runs WHERE attempt = $1 AND status = $2 ORDER BY position";
        let values = vec![attempt.id.0.into(), StepStatus::Running.to_string().into()];
        for row in self.tx.query_all(sql, values).await? {
            let step = StepChange {
                position: narrow(&row, "position")?,
                next: StepStatus::Failed,
                exit: None,
                at: self.now,
            };
            set_step(self, attempt.id, attempt.work, step).await?;
        }
        Ok(())
    }

    async fn tell_loss(&mut self, attempt: &AttemptRow, work: WorkId) -> Result<(), StoreError> {
        let number = i32::try_from(attempt.number).unwrap_or(i32::MAX);
        for job in JobRow::open_of(self.tx, work).await? {
            self.event(job.id, &Fact::Lost { round: job.round, attempt: number }).await?;
        }
        Ok(())
    }
}

fn end_message(end: AttemptEnd<'_>) -> Option<String> {
    match end {
        AttemptEnd::Lost => Some("its runner said nothing for longer than its lease".into()),
        AttemptEnd::Reported(Outcome::Success) => None,
        AttemptEnd::Reported(Outcome::Failure { message, .. }) => Some(message.clone()),
    }
}
