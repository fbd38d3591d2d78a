//! Which builds: lists and searches, by number.

use super::narrowed::LOOKED_AT;
use crate::db::{Database, Engine, Row};
use crate::nix::evaluations::{numbered, sum};
use ropewalk_core::port::{Counts, StoreError};
use sea_orm::Value;
use std::collections::HashMap;

pub(super) fn ids(rows: &[Row]) -> Result<Vec<i64>, StoreError> {
    rows.iter().map(|row| row.get("id")).collect()
}

pub(in crate::nix) async fn of_evaluation(
    db: &Database,
    evaluation: i64,
    after: i64,
    limit: u32,
) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT build AS id FROM nix_evaluation_builds WHERE evaluation = $1 AND build > $2
        ORDER BY build LIMIT $3";
    let values = vec![evaluation.into(), after.into(), i64::from(limit).into()];
    ids(&db.query_all("list the builds of an evaluation", sql, values).await?)
}

pub(in crate::nix) async fn of_evaluation_by_job(
    db: &Database,
    evaluation: i64,
    job: &str,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT b.job AS id FROM nix_evaluation_builds m JOIN nix_builds b ON b.job = m.build
        WHERE m.evaluation = $1 AND b.name = $2 ORDER BY b.job DESC LIMIT 1";
    let row =
        db.query_one("look up a build of an evaluation", sql, vec![evaluation.into(), job.into()]).await?;
    row.map(|row| row.get("id")).transpose()
}

pub(in crate::nix) async fn with_status(
    db: &Database,
    evaluation: i64,
    statuses: &[i64],
) -> Result<Vec<i64>, StoreError> {
    if statuses.is_empty() {
        return Ok(vec![]);
    }
    let which = numbered(2, statuses.len());
    let sql = format!(
        "SELECT b.job AS id FROM nix_evaluation_builds m JOIN nix_builds b ON b.job = m.build
        WHERE m.evaluation = $1 AND b.finished AND b.status IN ({which}) ORDER BY b.job"
    );
    let mut values: Vec<Value> = vec![evaluation.into()];
    values.extend(statuses.iter().map(|status| Value::from(*status)));
    ids(&db.query_all("list the builds of an evaluation", &sql, values).await?)
}

pub(in crate::nix) async fn constituents(db: &Database, aggregate: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT b.job AS id FROM nix_constituents c JOIN nix_builds b ON b.job = c.constituent
        WHERE c.aggregate = $1 ORDER BY b.name, b.job";
    ids(&db.query_all("list constituents", sql, vec![aggregate.into()]).await?)
}

pub(in crate::nix) async fn queue(db: &Database, limit: u32) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT job AS id FROM nix_builds WHERE NOT finished ORDER BY bumped DESC, job LIMIT $1";
    ids(&db.query_all("list the queue", sql, vec![i64::from(limit).into()]).await?)
}

pub(in crate::nix) async fn queue_by_priority(db: &Database, limit: u32) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT job AS id FROM nix_builds WHERE NOT finished ORDER BY priority DESC, job LIMIT $1";
    ids(&db.query_all("list the queue", sql, vec![i64::from(limit).into()]).await?)
}

/// Begins at the unfinished builds of the jobset, of which there are few, or most of the evaluation.
pub(in crate::nix) async fn open_of(db: &Database, evaluation: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT b.job AS id FROM nix_builds b JOIN nix_evaluation_builds m ON m.build = b.job
        WHERE NOT b.finished AND b.jobset = (SELECT e.jobset FROM nix_evaluations e WHERE e.id = $1)
            AND m.evaluation = $1 ORDER BY b.job";
    ids(&db.query_all("list what is unfinished", sql, vec![evaluation.into()]).await?)
}

pub(in crate::nix) async fn open(db: &Database) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) AS builds FROM nix_builds WHERE NOT finished";
    let row = db.query_one("count the queue", sql, vec![]).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.get("builds"))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Begins at the leases: there are as many as runners have places.
pub(in crate::nix) async fn running(db: &Database, limit: u32) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT DISTINCT b.job AS id FROM leases l JOIN jobs j ON j.work = l.work
        JOIN nix_builds b ON b.job = j.id WHERE NOT b.finished ORDER BY b.job LIMIT $1";
    ids(&db.query_all("list what runs", sql, vec![i64::from(limit).into()]).await?)
}

/// A condition: the text in `$1` is within this column, in any case of letters.
fn holds(db: &Database, column: &str) -> String {
    match db.engine() {
        Engine::Sqlite => format!("instr(lower({column}), lower($1)) > 0"),
        Engine::Postgres => format!("strpos(lower({column}), lower($1)) > 0"),
    }
}

pub(in crate::nix) async fn by_output(db: &Database, text: &str, limit: u32) -> Result<Vec<i64>, StoreError> {
    let exact = "SELECT DISTINCT o.build AS id FROM nix_outputs o JOIN nix_builds b ON b.job = o.build
        WHERE o.path = $1 AND b.finished ORDER BY o.build DESC LIMIT $2";
    let values = || vec![text.into(), i64::from(limit).into()];
    let found = ids(&db.query_all("search outputs", exact, values()).await?)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let sql = format!(
        "SELECT DISTINCT o.build AS id FROM (SELECT build, path FROM nix_outputs ORDER BY build DESC LIMIT {LOOKED_AT}) o
        JOIN nix_builds b ON b.job = o.build WHERE o.path IS NOT NULL AND {} AND b.finished
        ORDER BY o.build DESC LIMIT $2",
        holds(db, "o.path")
    );
    ids(&db.query_all("search outputs", &sql, values()).await?)
}

pub(in crate::nix) async fn by_drv(db: &Database, text: &str, limit: u32) -> Result<Vec<i64>, StoreError> {
    let exact = "SELECT job AS id FROM nix_builds WHERE drv_path = $1 ORDER BY job DESC LIMIT $2";
    let values = || vec![text.into(), i64::from(limit).into()];
    let found = ids(&db.query_all("search derivations", exact, values()).await?)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let sql = format!(
        "SELECT b.job AS id FROM (SELECT job, drv_path FROM nix_builds ORDER BY job DESC LIMIT {LOOKED_AT}) b
        WHERE {} ORDER BY b.job DESC LIMIT $2",
        holds(db, "b.drv_path")
    );
    ids(&db.query_all("search derivations", &sql, values()).await?)
}

pub(in crate::nix) async fn jobset_counts(
    db: &Database,
    jobsets: &[i64],
) -> Result<HashMap<i64, Counts>, StoreError> {
    if jobsets.is_empty() {
        return Ok(HashMap::new());
    }
    let which = numbered(1, jobsets.len());
    let sql = format!(
        "SELECT jobset AS id, finished, status, COUNT(*) AS builds FROM nix_builds
        WHERE is_current AND jobset IN ({which}) GROUP BY jobset, finished, status"
    );
    let values = jobsets.iter().map(|id| (*id).into()).collect();
    sum(&db.query_all("count the builds of jobsets", &sql, values).await?)
}
