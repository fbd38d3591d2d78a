//! What logs are made of, as the database knows it.

use super::{Chapter, Contents, LogIndex};
use crate::SqlStore;
use crate::db::{Channel, Row, Tx, Write};
use crate::queue::log_number;
use async_trait::async_trait;
use ropewalk_core::port::{BlobRef, StoreError};
use ropewalk_model::ids::{AttemptId, JobId};
use ropewalk_model::link::LogFile;
use std::future::Future;
use std::pin::Pin;

const KEEP_LOST: Write = Write::durable("keep the logs of a lost attempt");

#[async_trait]
impl LogIndex for SqlStore {
    async fn contents(&self, job: JobId, file: LogFile) -> Result<Contents, StoreError> {
        // By round first: a work that a later round joined may have attempts older than those of earlier rounds.
        let sql = "SELECT j.ended, a.id AS attempt, l.sha256, l.size
            FROM jobs j
            LEFT JOIN job_rounds r ON r.job = j.id
            LEFT JOIN attempts a ON a.work = r.work
            LEFT JOIN attempt_logs l ON l.attempt = a.id AND l.log = $2
            WHERE j.id = $1 ORDER BY r.round, a.number";
        let values = vec![job.0.into(), log_number(file).into()];
        let rows = self.db.query_all("look up what a log is made of", sql, values).await?;
        let Some(first) = rows.first() else {
            return Err(StoreError::Missing(format!("job {job}")));
        };
        let complete = first.get::<Option<i64>>("ended")?.is_some();
        let mut chapters: Vec<Chapter> = Vec::new();
        for row in &rows {
            match chapter(row)? {
                Some(chapter) if !chapters.iter().any(|seen| seen.attempt == chapter.attempt) => {
                    chapters.push(chapter);
                }
                _ => {}
            }
        }
        Ok(Contents { chapters, complete })
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.db.woken(Channel::Events))
    }

    async fn ended(&self, attempt: AttemptId) -> Result<bool, StoreError> {
        let sql = "SELECT ended FROM attempts WHERE id = $1";
        match self.db.query_one("look up an attempt", sql, vec![attempt.0.into()]).await? {
            Some(row) => Ok(row.get::<Option<i64>>("ended")?.is_some()),
            None => Ok(false),
        }
    }

    async fn keep(&self, attempt: AttemptId, logs: Vec<(LogFile, BlobRef)>) -> Result<(), StoreError> {
        self.db.write(KEEP_LOST, (attempt, logs), keep).await
    }
}

fn chapter(row: &Row) -> Result<Option<Chapter>, StoreError> {
    let Some(attempt) = row.get::<Option<i64>>("attempt")? else { return Ok(None) };
    let blob = match row.get::<Option<String>>("sha256")? {
        Some(sha256) => {
            let size: i64 = row.get("size")?;
            let size =
                u64::try_from(size).map_err(|_| StoreError::Corrupt(format!("a log of {size} bytes")))?;
            Some(BlobRef { sha256, size })
        }
        None => None,
    };
    Ok(Some(Chapter { attempt: AttemptId(attempt), blob }))
}

async fn keep(tx: &Tx, (attempt, logs): &(AttemptId, Vec<(LogFile, BlobRef)>)) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempt_logs (attempt, log, sha256, size) VALUES ($1, $2, $3, $4)
        ON CONFLICT (attempt, log) DO NOTHING";
    for (log, blob) in logs {
        let size = i64::try_from(blob.size).map_err(|_| StoreError::Refused("a log of that size".into()))?;
        let values =
            vec![attempt.0.into(), log_number(*log).into(), blob.sha256.as_str().into(), size.into()];
        tx.execute(sql, values).await?;
    }
    tx.after_commit_notify(Channel::Events);
    Ok(())
}
