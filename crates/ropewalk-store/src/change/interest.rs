//! Who needs a work: jobs and other works take an interest in it, start it, and lose that interest.

use super::{Change, WorkRow};
use crate::db::Channel;
use ropewalk_core::finish;
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::WorkId;
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;

impl Change<'_> {
    /// One more needs this work. Nothing happens if it has ended.
    pub(crate) async fn want(&mut self, work: WorkId) -> Result<(), StoreError> {
        let mut work = WorkRow::lock(self.tx, work).await?;
        if work.status.is_final() {
            return Ok(());
        }
        let sql = "UPDATE works SET wanted = wanted + 1, cancel = NULL WHERE id = $1";
        self.tx.execute(sql, vec![work.id.0.into()]).await?;
        work.wanted += 1;
        // Jobs that waited for its runner to end it have nothing to wait for any more.
        if work.cancel.take().is_some() { self.settle_jobs(&work).await } else { Ok(()) }
    }

    /// One less needs this work; it ends if that was the last.
    pub(crate) async fn withdraw(&mut self, work: WorkId, cause: Cause) -> Result<(), StoreError> {
        let sql = "UPDATE works SET wanted = wanted - 1 WHERE id = $1 AND ended IS NULL RETURNING wanted";
        if let Some(row) = self.tx.query_one(sql, vec![work.0.into()]).await?
            && row.get::<i64>("wanted")? == 0
        {
            self.unneeded(work, cause);
        }
        Ok(())
    }

    /// Lets a work run, and all that it needs. What was released before has released what it needs, too.
    pub(crate) async fn release(&mut self, root: WorkId) -> Result<(), StoreError> {
        let mut due = vec![root];
        while let Some(id) = due.pop() {
            let mut work = WorkRow::lock(self.tx, id).await?;
            if work.released || work.status.is_final() {
                continue;
            }
            work.released = true;
            match finish::released(self.now, work.not_before, work.unmet) {
                WorkStatus::Held => {
                    let sql = "UPDATE works SET released = $2 WHERE id = $1";
                    self.tx.execute(sql, vec![id.0.into(), true.into()]).await?;
                    self.tx.after_commit_notify(Channel::Queue);
                }
                next => self.move_work(&mut work, next).await?,
            }
            let sql = "SELECT e.needs FROM work_edges e JOIN works w ON w.id = e.needs
                WHERE e.work = $1 AND w.ended IS NULL AND NOT w.released ORDER BY e.needs";
            for row in self.tx.query_all(sql, vec![id.0.into()]).await? {
                due.push(WorkId(row.get("needs")?));
            }
        }
        Ok(())
    }

    /// Lets a held work go on whose time has come.
    pub(crate) async fn release_at(&mut self, work: &mut WorkRow, now: Time) -> Result<bool, StoreError> {
        if work.status != WorkStatus::Held || !work.released {
            return Ok(false);
        }
        match finish::released(now, work.not_before, work.unmet) {
            WorkStatus::Held => Ok(false),
            next => self.move_work(work, next).await.map(|()| true),
        }
    }
}
