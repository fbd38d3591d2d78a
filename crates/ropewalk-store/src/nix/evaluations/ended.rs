//! Evaluations that ended and were not taken over.

use crate::change::{narrow, optional_word, word};
use crate::db::{Row, Tx};
use ropewalk_core::nix::Known;
use ropewalk_core::port::{BlobRef, EndedEvaluation, EvaluatedJobset, StoreError};
use ropewalk_model::ids::{JobId, UserId};
use ropewalk_model::nix::RESULT;
use std::collections::BTreeSet;

/// In the words of the index that holds only these.
const ENDED: &str = "SELECT j.id, j.status, j.cause, j.work, e.jobset FROM jobs j
    LEFT JOIN nix_evaluating e ON e.job = j.id
    WHERE j.kind = 'hydra-evaluation' AND j.ended IS NOT NULL AND j.settled < j.round
        AND j.kind IN ('hydra-build', 'hydra-evaluation')
    ORDER BY j.id LIMIT $1";

pub(in crate::nix) async fn ended(tx: &Tx, limit: &u32) -> Result<Vec<EndedEvaluation>, StoreError> {
    let mut ended = vec![];
    for row in tx.query_all(ENDED, vec![i64::from(*limit).into()]).await? {
        let work: i64 = row.get("work")?;
        let jobset = match row.get::<Option<i64>>("jobset")? {
            Some(jobset) => evaluated(tx, jobset).await?,
            None => None,
        };
        ended.push(EndedEvaluation {
            job: JobId(row.get("id")?),
            jobset,
            status: word(&row, "status")?,
            cause: optional_word(&row, "cause")?,
            message: last_message(tx, work).await?,
            result: result(tx, work).await?,
        });
    }
    Ok(ended)
}

async fn evaluated(tx: &Tx, jobset: i64) -> Result<Option<EvaluatedJobset>, StoreError> {
    let sql =
        "SELECT j.id, p.name AS project, j.name, p.owner, (j.is_hidden OR p.is_hidden) AS is_hidden, j.shares
        FROM nix_jobsets j JOIN nix_projects p ON p.id = j.project WHERE j.id = $1";
    let Some(row) = tx.query_one(sql, vec![jobset.into()]).await? else { return Ok(None) };
    Ok(Some(EvaluatedJobset {
        id: row.get("id")?,
        project: row.get("project")?,
        name: row.get("name")?,
        owner: UserId(row.get("owner")?),
        is_hidden: row.get("is_hidden")?,
        shares: narrow(&row, "shares")?,
        previous: previous(tx, jobset).await?,
    }))
}

/// Builds of the newest evaluation that had new builds.
async fn previous(tx: &Tx, jobset: i64) -> Result<Option<Vec<Known>>, StoreError> {
    let sql = "SELECT id FROM nix_evaluations WHERE jobset = $1 AND ordinal IS NOT NULL ORDER BY ordinal DESC LIMIT 1";
    let Some(row) = tx.query_one(sql, vec![jobset.into()]).await? else { return Ok(None) };
    let sql = "SELECT b.job, b.name, b.makes, b.drv_path, b.status FROM nix_evaluation_builds m
        JOIN nix_builds b ON b.job = m.build WHERE m.evaluation = $1 ORDER BY b.job";
    let known = |row: &Row| {
        Ok(Known {
            build: JobId(row.get("job")?),
            job: row.get("name")?,
            makes: row.get("makes")?,
            drv_path: row.get("drv_path")?,
            is_done: matches!(row.get::<Option<i64>>("status")?, Some(0 | 6)),
        })
    };
    let rows = tx.query_all(sql, vec![row.get::<i64>("id")?.into()]).await?;
    rows.iter().map(known).collect::<Result<_, StoreError>>().map(Some)
}

/// What the last attempt at a work said about its failure, or whoever ended it without one.
pub(in crate::nix) async fn last_message(tx: &Tx, work: i64) -> Result<Option<String>, StoreError> {
    let sql = "SELECT COALESCE((SELECT a.message FROM attempts a WHERE a.work = w.id ORDER BY a.number DESC LIMIT 1),
        w.message) AS message FROM works w WHERE w.id = $1";
    tx.query_one(sql, vec![work.into()]).await?.map_or(Ok(None), |row| row.get("message"))
}

async fn result(tx: &Tx, work: i64) -> Result<Option<BlobRef>, StoreError> {
    let sql = "SELECT f.sha256, f.size FROM artifacts f WHERE f.path = $2 AND f.attempt =
        (SELECT a.id FROM attempts a WHERE a.work = $1 ORDER BY a.number DESC LIMIT 1) ORDER BY f.id DESC LIMIT 1";
    let row = tx.query_one(sql, vec![work.into(), RESULT.into()]).await?;
    row.map(|row| Ok(BlobRef { sha256: row.get("sha256")?, size: narrow(&row, "size")? })).transpose()
}

/// Derivations of one question.
const AT_ONCE: usize = 500;

pub(in crate::nix) async fn failed_before(
    tx: &Tx,
    (now, drv_paths): &(i64, Vec<String>),
) -> Result<BTreeSet<String>, StoreError> {
    let any = "SELECT 1 AS any_one FROM nix_failures WHERE until > $1 LIMIT 1";
    if tx.query_one(any, vec![(*now).into()]).await?.is_none() {
        return Ok(BTreeSet::new());
    }
    let mut failed = BTreeSet::new();
    for paths in drv_paths.chunks(AT_ONCE) {
        let which = super::numbered(2, paths.len());
        let sql = format!("SELECT drv_path FROM nix_failures WHERE until > $1 AND drv_path IN ({which})");
        let mut values = vec![(*now).into()];
        values.extend(paths.iter().map(|path| path.as_str().into()));
        for row in tx.query_all(&sql, values).await? {
            failed.insert(row.get("drv_path")?);
        }
    }
    Ok(failed)
}
