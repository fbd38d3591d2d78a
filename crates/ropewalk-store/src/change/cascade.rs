//! What follows from the end of a work, in the same transaction.

use super::{Change, Due, End, WorkRow, word};
use ropewalk_core::finish;
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::WorkId;
use ropewalk_model::status::{Cause, WorkStatus};

impl Change<'_> {
    /// Works off what is due until nothing follows any more. It ends because works form no circle and every work ends
    /// at most once.
    pub(super) async fn run(&mut self) -> Result<(), StoreError> {
        while let Some(due) = self.due.pop_front() {
            match due {
                Due::End { work, end } => {
                    let mut row = WorkRow::lock(self.tx, work).await?;
                    if self.end_work(&mut row, &end).await? {
                        self.ended(&row, &end).await?;
                    }
                }
                Due::Unneeded { work, cause } => self.cancel_unneeded(work, cause).await?,
            }
        }
        Ok(())
    }

    async fn ended(&mut self, work: &WorkRow, end: &End) -> Result<(), StoreError> {
        match finish::dependent_cause(end.status) {
            None => self.lower_unmet(work.id).await,
            Some(cause) => {
                self.fail_dependents(work.id, end, cause).await?;
                self.withdraw_from_needs(work.id).await
            }
        }
    }

    async fn lower_unmet(&mut self, needed: WorkId) -> Result<(), StoreError> {
        let sql = "UPDATE works SET unmet = unmet - 1 WHERE ended IS NULL
            AND id IN (SELECT work FROM work_edges WHERE needs = $1) RETURNING id, unmet, status";
        for row in self.tx.query_all(sql, vec![needed.0.into()]).await? {
            let (unmet, status): (i64, WorkStatus) = (row.get("unmet")?, word(&row, "status")?);
            if unmet == 0 && status == WorkStatus::Waiting {
                let mut work = WorkRow::lock(self.tx, WorkId(row.get("id")?)).await?;
                self.move_work(&mut work, WorkStatus::Ready).await?;
            }
        }
        Ok(())
    }

    async fn fail_dependents(&mut self, needed: WorkId, end: &End, cause: Cause) -> Result<(), StoreError> {
        let sql = "SELECT e.work FROM work_edges e JOIN works w ON w.id = e.work
            WHERE e.needs = $1 AND w.ended IS NULL ORDER BY e.work";
        for row in self.tx.query_all(sql, vec![needed.0.into()]).await? {
            let end = End {
                status: WorkStatus::Failed,
                cause: Some(cause),
                message: None,
                culprit: end.culprit.or(Some(needed)),
            };
            self.end(WorkId(row.get("work")?), end);
        }
        Ok(())
    }

    /// A work that ended without success needs nothing any more.
    async fn withdraw_from_needs(&mut self, work: WorkId) -> Result<(), StoreError> {
        let sql = "UPDATE works SET wanted = wanted - 1 WHERE ended IS NULL
            AND id IN (SELECT needs FROM work_edges WHERE work = $1) RETURNING id, wanted";
        for row in self.tx.query_all(sql, vec![work.0.into()]).await? {
            if row.get::<i64>("wanted")? == 0 {
                self.unneeded(WorkId(row.get("id")?), Cause::Cancelled);
            }
        }
        Ok(())
    }

    async fn cancel_unneeded(&mut self, id: WorkId, cause: Cause) -> Result<(), StoreError> {
        let work = WorkRow::lock(self.tx, id).await?;
        if work.status.is_final() || work.wanted > 0 {
            return Ok(());
        }
        match finish::interest_lost(work.status) {
            Some(status) => {
                self.end(id, End { status, cause: Some(cause), message: None, culprit: None });
            }
            None => {
                let sql = "UPDATE works SET cancel = $2 WHERE id = $1";
                self.tx.execute(sql, vec![id.0.into(), cause.to_string().into()]).await?;
            }
        }
        Ok(())
    }
}
