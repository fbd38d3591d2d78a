//! What inputs name that other builds made.

use crate::db::{Row, Tx};
use ropewalk_core::port::{Resolved, ResolvedBuild, StoreError, Wanted};

/// Successful builds and the output that is given of each: `out`, or the first one.
const BUILDS: &str =
    "SELECT b.job, b.name, b.nix_name, b.drv_path, o.name AS output, o.path FROM nix_builds b
    JOIN nix_outputs o ON o.build = b.job AND o.path IS NOT NULL AND o.name = COALESCE(
        (SELECT d.name FROM nix_outputs d WHERE d.build = b.job AND d.name = 'out'),
        (SELECT MIN(d.name) FROM nix_outputs d WHERE d.build = b.job))";

pub(in crate::nix) async fn resolve(tx: &Tx, wanted: &Wanted) -> Result<Option<Resolved>, StoreError> {
    match wanted {
        Wanted::Build(id) => {
            let sql = format!("{BUILDS} WHERE b.job = $1 AND b.status = 0");
            build(tx.query_one(&sql, vec![(*id).into()]).await?)
        }
        Wanted::Job { project, jobset, job } => {
            let Some(jobset) = numbered(tx, project, jobset).await? else { return Ok(None) };
            let sql = format!(
                "{BUILDS} WHERE b.jobset = $1 AND b.name = $2 AND b.status = 0 ORDER BY b.job DESC LIMIT 1"
            );
            build(tx.query_one(&sql, vec![jobset.into(), job.as_str().into()]).await?)
        }
        Wanted::Evaluation(id) => {
            let sql = "SELECT id FROM nix_evaluations WHERE id = $1";
            match tx.query_one(sql, vec![(*id).into()]).await? {
                Some(_) => evaluation(tx, *id).await.map(Some),
                None => Ok(None),
            }
        }
        Wanted::Newest { project, jobset, job } => {
            let Some(jobset) = numbered(tx, project, jobset).await? else { return Ok(None) };
            match newest(tx, jobset, job.as_deref()).await? {
                Some(id) => evaluation(tx, id).await.map(Some),
                None => Ok(None),
            }
        }
    }
}

async fn numbered(tx: &Tx, project: &str, jobset: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT j.id FROM nix_jobsets j JOIN nix_projects p ON p.id = j.project
        WHERE p.name = $1 AND j.name = $2";
    tx.query_one(sql, vec![project.into(), jobset.into()]).await?.map(|row| row.get("id")).transpose()
}

/// The newest evaluation with all its builds finished, where a job succeeded if one is named.
async fn newest(tx: &Tx, jobset: i64, job: Option<&str>) -> Result<Option<i64>, StoreError> {
    let sql = format!(
        "SELECT e.id FROM nix_evaluations e WHERE e.jobset = $1 AND e.ordinal IS NOT NULL AND {} AND ($2 = '' OR EXISTS
            (SELECT 1 FROM nix_evaluation_builds m JOIN nix_builds b ON b.job = m.build
                WHERE m.evaluation = e.id AND b.name = $2 AND b.status = 0))
        ORDER BY e.ordinal DESC LIMIT 1",
        super::FINISHED
    );
    let values = vec![jobset.into(), job.unwrap_or_default().into()];
    tx.query_one(&sql, values).await?.map(|row| row.get("id")).transpose()
}

fn build(row: Option<Row>) -> Result<Option<Resolved>, StoreError> {
    let Some(row) = row else { return Ok(None) };
    let (name, build) = read(&row)?;
    Ok(Some(Resolved { id: row.get("job")?, jobs: [(name, build)].into() }))
}

async fn evaluation(tx: &Tx, id: i64) -> Result<Resolved, StoreError> {
    let sql = format!(
        "{BUILDS} JOIN nix_evaluation_builds m ON m.build = b.job WHERE m.evaluation = $1 AND b.status = 0"
    );
    let rows = tx.query_all(&sql, vec![id.into()]).await?;
    Ok(Resolved { id, jobs: rows.iter().map(read).collect::<Result<_, _>>()? })
}

fn read(row: &Row) -> Result<(String, ResolvedBuild), StoreError> {
    let build = ResolvedBuild {
        nix_name: row.get("nix_name")?,
        drv_path: row.get("drv_path")?,
        output_name: row.get("output")?,
        path: row.get("path")?,
    };
    Ok((row.get("name")?, build))
}
