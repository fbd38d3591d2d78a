//! Transactions over works that are tied together take turns on PostgreSQL.
//!
//! Row locks alone keep them right. But a failure walks up a graph while a cancel walks down, and where many meet
//! they would find each other in deadlocks, each of which costs a second. A work that nothing is tied to, such as
//! that of a builds.sr.ht job, takes no turn and waits for nobody.

use crate::db::{Engine, Tx};
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::{AttemptId, JobId, WorkId};

/// Waits until no other transaction changes works that are tied together.
pub(crate) async fn take_turn(tx: &Tx) -> Result<(), StoreError> {
    /// Any number that nobody else uses: "ropework" as bytes.
    const LOCK: i64 = i64::from_be_bytes(*b"ropework");
    match tx.engine() {
        Engine::Sqlite => Ok(()),
        Engine::Postgres => {
            tx.execute("SELECT pg_advisory_xact_lock($1)", vec![LOCK.into()]).await.map(|_| ())
        }
    }
}

/// [`take_turn`] if anything is tied to this work.
pub(crate) async fn take_turn_for_work(tx: &Tx, work: WorkId) -> Result<(), StoreError> {
    take_turn_if(tx, "$1", work.0).await
}

/// [`take_turn`] if anything is tied to the root work of this job.
pub(crate) async fn take_turn_for_job(tx: &Tx, job: JobId) -> Result<(), StoreError> {
    take_turn_if(tx, "(SELECT j.work FROM jobs j WHERE j.id = $1)", job.0).await
}

/// [`take_turn`] if anything is tied to the work of this attempt.
pub(crate) async fn take_turn_for_attempt(tx: &Tx, attempt: AttemptId) -> Result<(), StoreError> {
    take_turn_if(tx, "(SELECT a.work FROM attempts a WHERE a.id = $1)", attempt.0).await
}

async fn take_turn_if(tx: &Tx, work: &str, id: i64) -> Result<(), StoreError> {
    if tx.engine() == Engine::Sqlite {
        return Ok(());
    }
    let sql = format!(
        "SELECT w.id FROM works w WHERE w.id = {work} AND (w.key IS NOT NULL
            OR EXISTS (SELECT 1 FROM work_edges e WHERE e.work = w.id)
            OR EXISTS (SELECT 1 FROM work_edges e WHERE e.needs = w.id))"
    );
    match tx.query_one(&sql, vec![id.into()]).await? {
        Some(_) => take_turn(tx).await,
        None => Ok(()),
    }
}
