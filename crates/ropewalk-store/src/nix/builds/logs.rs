//! Tries at a derivation.

use crate::change::narrow;
use crate::db::Tx;
use crate::queue::log_number;
use ropewalk_core::port::{BlobRef, DerivationAttempt, StoreError};
use ropewalk_model::ids::{AttemptId, JobId};
use ropewalk_model::link::{LogFile, LogName};
use std::collections::BTreeSet;

/// Works of one derivation, the newest ones: the log of the newest try is what is asked for.
const WORKS: i64 = 16;

/// Goes from the works that evaluations made to those that restarts made in their place.
#[allow(clippy::ptr_arg, reason = "an operation gets its input as it was given")]
pub(in crate::nix) async fn attempts(tx: &Tx, drv: &String) -> Result<Vec<DerivationAttempt>, StoreError> {
    let sql = "SELECT work FROM nix_works WHERE drv = $1 ORDER BY work DESC LIMIT $2";
    let rows = tx.query_all(sql, vec![drv.as_str().into(), WORKS.into()]).await?;
    let mut works = BTreeSet::new();
    for row in &rows {
        let mut next = Some(row.get::<i64>("work")?);
        while let Some(work) = next.filter(|work| works.insert(*work)) {
            let sql = "SELECT replaced_by FROM works WHERE id = $1";
            next =
                tx.query_one(sql, vec![work.into()]).await?.map_or(Ok(None), |row| row.get("replaced_by"))?;
        }
    }
    let mut attempts = vec![];
    for work in works {
        let sql = "SELECT a.id, l.sha256, l.size, (SELECT MAX(r.job) FROM job_rounds r WHERE r.work = a.work) AS job
            FROM attempts a LEFT JOIN attempt_logs l ON l.attempt = a.id AND l.log = $2
            WHERE a.work = $1 ORDER BY a.number";
        let text = log_number(LogFile::Text(LogName::Step(0)));
        for row in tx.query_all(sql, vec![work.into(), text.into()]).await? {
            let log = match row.get::<Option<String>>("sha256")? {
                Some(sha256) => Some(BlobRef { sha256, size: narrow(&row, "size")? }),
                None => None,
            };
            let job = row.get::<Option<i64>>("job")?.map(JobId);
            attempts.push(DerivationAttempt { attempt: AttemptId(row.get("id")?), job, log });
        }
    }
    Ok(attempts)
}
