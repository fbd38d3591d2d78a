//! What must stay in the store.

use crate::db::Tx;
use ropewalk_core::port::StoreError;
use ropewalk_model::nix::NixTask;
use ropewalk_model::plan::SealedPlan;
use std::collections::BTreeSet;

/// Paths of builds `b` that are kept: outputs of what succeeded, derivations of what did not, so that it can be
/// restarted.
const PATHS: &str = "SELECT o.path AS path FROM nix_builds b JOIN nix_outputs o ON o.build = b.job
        WHERE o.path IS NOT NULL AND b.status IN (0, 6) AND {which}
    UNION SELECT b.drv_path AS path FROM nix_builds b WHERE (b.status IS NULL OR b.status NOT IN (0, 6)) AND {which}";

pub(in crate::nix) async fn wanted(tx: &Tx, _: &()) -> Result<Vec<String>, StoreError> {
    let mut wanted = BTreeSet::new();
    add(tx, &mut wanted, "b.keep").await?;
    let sql = "SELECT drv_path AS path FROM nix_builds WHERE NOT finished";
    for row in tx.query_all(sql, vec![]).await? {
        wanted.insert(row.get("path")?);
    }
    add_needed(tx, &mut wanted).await?;
    for row in tx.query_all("SELECT id, keep FROM nix_jobsets ORDER BY id", vec![]).await? {
        let jobset: i64 = row.get("id")?;
        for evaluation in kept_evaluations(tx, jobset, row.get("keep")?).await? {
            let members = format!(
                "b.job IN (SELECT m.build FROM nix_evaluation_builds m WHERE m.evaluation = {evaluation})"
            );
            add(tx, &mut wanted, &members).await?;
            // The newest successful build of every job that is in it.
            let last = format!(
                "b.job IN (SELECT (SELECT MAX(g.job) FROM nix_builds g WHERE g.jobset = {jobset} AND g.name = n.name
                    AND g.status = 0) FROM nix_evaluation_builds m JOIN nix_builds n ON n.job = m.build
                    WHERE m.evaluation = {evaluation})"
            );
            add(tx, &mut wanted, &last).await?;
        }
    }
    Ok(wanted.into_iter().collect())
}

/// Outputs that are there and that an unfinished work needs, of builds and of what is only on the way to one.
async fn add_needed(tx: &Tx, wanted: &mut BTreeSet<String>) -> Result<(), StoreError> {
    let sql = "SELECT p.hash, p.json FROM plans p WHERE p.hash IN (SELECT w.plan FROM works d
        JOIN work_edges e ON e.work = d.id JOIN works w ON w.id = e.needs
        WHERE d.key IS NOT NULL AND d.ended IS NULL AND w.status = 'succeeded')";
    for row in tx.query_all(sql, vec![]).await? {
        let plan = SealedPlan { hash: row.get("hash")?, json: row.get("json")? };
        let plan = plan.open().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        if let Some(NixTask::Realise(task)) = plan.nix {
            wanted.extend(task.outputs.into_values());
        }
    }
    Ok(())
}

async fn add(tx: &Tx, wanted: &mut BTreeSet<String>, which: &str) -> Result<(), StoreError> {
    for row in tx.query_all(&PATHS.replace("{which}", which), vec![]).await? {
        wanted.insert(row.get("path")?);
    }
    Ok(())
}

/// Those with unfinished builds, and the newest of the others.
async fn kept_evaluations(tx: &Tx, jobset: i64, keep: i64) -> Result<BTreeSet<i64>, StoreError> {
    let sql =
        "SELECT DISTINCT m.evaluation AS id FROM nix_builds b JOIN nix_evaluation_builds m ON m.build = b.job
        WHERE b.jobset = $1 AND NOT b.finished";
    let mut kept = BTreeSet::new();
    for row in tx.query_all(sql, vec![jobset.into()]).await? {
        kept.insert(row.get("id")?);
    }
    let sql = "SELECT id FROM nix_evaluations WHERE jobset = $1 AND ordinal IS NOT NULL ORDER BY ordinal DESC LIMIT $2";
    let most = i64::try_from(kept.len()).unwrap_or(i64::MAX).saturating_add(keep.max(0));
    let mut finished = vec![];
    for row in tx.query_all(sql, vec![jobset.into(), most.into()]).await? {
        let id: i64 = row.get("id")?;
        if !kept.contains(&id) {
            finished.push(id);
        }
    }
    kept.extend(finished.into_iter().take(usize::try_from(keep).unwrap_or(0)));
    Ok(kept)
}
