//! Rows of jobsets' inputs.

use crate::change::word;
use crate::db::Tx;
use crate::nix::evaluations::numbered;
use ropewalk_core::port::{Jobset, JobsetInput, StoreError};
use std::collections::{BTreeMap, HashMap};

/// Jobsets of one question.
const AT_ONCE: usize = 500;

/// Adds their inputs to jobsets.
pub(super) async fn read(tx: &Tx, jobsets: &mut [Jobset]) -> Result<(), StoreError> {
    for jobsets in jobsets.chunks_mut(AT_ONCE) {
        let which = numbered(1, jobsets.len());
        let sql = format!(
            "SELECT jobset, name, kind, value, tells_committers FROM nix_jobset_inputs WHERE jobset IN ({which})"
        );
        let ids = jobsets.iter().map(|jobset| jobset.id.into()).collect();
        let mut by_id: HashMap<i64, &mut Jobset> =
            jobsets.iter_mut().map(|jobset| (jobset.id, jobset)).collect();
        for row in tx.query_all(&sql, ids).await? {
            let Some(jobset) = by_id.get_mut(&row.get("jobset")?) else { continue };
            let input = JobsetInput {
                kind: word(&row, "kind")?,
                value: row.get("value")?,
                tells_committers: row.get("tells_committers")?,
            };
            jobset.fields.inputs.insert(row.get("name")?, input);
        }
    }
    Ok(())
}

/// Replaces the inputs of a jobset.
pub(super) async fn replace(
    tx: &Tx,
    jobset: i64,
    inputs: &BTreeMap<String, JobsetInput>,
) -> Result<(), StoreError> {
    remove(tx, jobset).await?;
    for (name, input) in inputs {
        let sql = "INSERT INTO nix_jobset_inputs (jobset, name, kind, value, tells_committers)
            VALUES ($1, $2, $3, $4, $5)";
        let values = vec![
            jobset.into(),
            name.as_str().into(),
            input.kind.to_string().into(),
            input.value.as_str().into(),
            input.tells_committers.into(),
        ];
        tx.execute(sql, values).await?;
    }
    Ok(())
}

/// Removes the inputs of a jobset.
pub(super) async fn remove(tx: &Tx, jobset: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM nix_jobset_inputs WHERE jobset = $1", vec![jobset.into()]).await.map(drop)
}
