//! What the logs of a job are made of.

use crate::SqlStore;
use crate::change::{narrow, word};
use crate::db::{Channel, Tx};
use crate::logs::{Chapter, Contents, LogIndex};
use crate::queue::log_number;
use async_trait::async_trait;
use ropewalk_core::port::{BlobRef, LogRef, StoreError};
use ropewalk_model::ids::AttemptId;
use ropewalk_model::status::JobStatus;
use std::pin::Pin;

#[async_trait]
impl LogIndex for SqlStore {
    async fn contents(&self, log: LogRef) -> Result<Contents, StoreError> {
        self.db.read("look up a log", log, contents).await
    }

    /// An attempt begins and ends with an event of its job.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.db.woken(Channel::Events))
    }
}

async fn contents(tx: &Tx, log: &LogRef) -> Result<Contents, StoreError> {
    let sql = "SELECT status FROM jobs WHERE id = $1";
    let Some(row) = tx.query_one(sql, vec![log.job.0.into()]).await? else {
        return Err(StoreError::Missing(format!("job {}", log.job)));
    };
    let complete = word::<JobStatus>(&row, "status")?.is_final();
    let sql = "SELECT a.id, l.sha256, l.size FROM job_rounds o JOIN attempts a ON a.work = o.work
        LEFT JOIN attempt_logs l ON l.attempt = a.id AND l.log = $2
        WHERE o.job = $1 ORDER BY o.round, a.number";
    let mut chapters = Vec::new();
    for row in tx.query_all(sql, vec![log.job.0.into(), log_number(log.log).into()]).await? {
        let blob = match row.get::<Option<String>>("sha256")? {
            None => None,
            Some(sha256) => Some(BlobRef { sha256, size: narrow(&row, "size")? }),
        };
        chapters.push(Chapter { attempt: AttemptId(row.get("id")?), blob });
    }
    Ok(Contents { chapters, complete })
}
