//! Looks at jobsets of which nothing was kept: nothing had changed, or they failed. A jobset that is looked at every
//! minute would fill the database with their jobs.

use crate::db::{Tx, Write};
use ropewalk_core::port::StoreError;
use ropewalk_model::ids::JobId;

pub(in crate::nix) const FORGET: Write = Write::durable("forget looks at jobsets");

/// What belongs to a job, and to nothing else.
const OF_JOB: [&str; 5] = [
    "DELETE FROM nix_looks WHERE job = $1",
    "DELETE FROM deliveries WHERE job = $1",
    "DELETE FROM events WHERE job = $1",
    "DELETE FROM steps WHERE job = $1",
    "DELETE FROM job_rounds WHERE job = $1",
];
/// The same of a work; its logs and its result become blobs that nothing refers to.
const OF_WORK: [&str; 6] = [
    "DELETE FROM attempt_facts WHERE attempt IN (SELECT id FROM attempts WHERE work = $1)",
    "DELETE FROM step_runs WHERE attempt IN (SELECT id FROM attempts WHERE work = $1)",
    "DELETE FROM attempt_logs WHERE attempt IN (SELECT id FROM attempts WHERE work = $1)",
    "DELETE FROM artifacts WHERE attempt IN (SELECT id FROM attempts WHERE work = $1)",
    "DELETE FROM attempts WHERE work = $1",
    "DELETE FROM works WHERE id = $1",
];

/// Notes that a look left nothing but its job.
pub(super) async fn note(tx: &Tx, job: JobId, jobset: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO nix_looks (job, jobset) VALUES ($1, $2)";
    tx.execute(sql, vec![job.0.into(), jobset.into()]).await.map(drop)
}

/// Removes the jobs of all looks but the newest `keep` at each jobset, at most `limit`; answers how many.
pub(in crate::nix) async fn forget(tx: &Tx, (keep, limit): &(u32, u32)) -> Result<u64, StoreError> {
    let sql =
        "SELECT job FROM (SELECT job, ROW_NUMBER() OVER (PARTITION BY jobset ORDER BY job DESC) AS place
        FROM nix_looks) l WHERE place > $1 ORDER BY job LIMIT $2";
    let mut removed = 0;
    for row in tx.query_all(sql, vec![i64::from(*keep).into(), i64::from(*limit).into()]).await? {
        remove(tx, row.get("job")?).await?;
        removed += 1;
    }
    Ok(removed)
}

/// Its work has no key, so that nothing else is tied to it.
async fn remove(tx: &Tx, job: i64) -> Result<(), StoreError> {
    let works = tx.query_all("SELECT work FROM job_rounds WHERE job = $1", vec![job.into()]).await?;
    for sql in OF_JOB {
        tx.execute(sql, vec![job.into()]).await?;
    }
    let sql = "DELETE FROM jobs WHERE id = $1 RETURNING owner, kind";
    if let Some(row) = tx.query_one(sql, vec![job.into()]).await? {
        let sql = "UPDATE job_counts SET count = count - 1 WHERE owner = $1 AND kind = $2";
        let values = vec![row.get::<i64>("owner")?.into(), row.get::<String>("kind")?.into()];
        tx.execute(sql, values).await?;
    }
    for row in works {
        for sql in OF_WORK {
            tx.execute(sql, vec![row.get::<i64>("work")?.into()]).await?;
        }
    }
    Ok(())
}
