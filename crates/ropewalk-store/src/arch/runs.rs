//! When targets are built, and how their builds went.

use crate::db::{Row, Tx};
use crate::jobs::{jobs_in, numbered};
use ropewalk_core::port::{StoreError, TargetBuild, TargetRuns};
use ropewalk_model::ids::JobId;
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::HashMap;

const SELECT: &str = "SELECT b.job, b.target, b.arch,
    (SELECT MAX(l.id) FROM arch_logs l WHERE l.job = b.job) AS log FROM arch_builds b";

pub(super) async fn of_target(
    tx: &Tx,
    (target, before, limit): &(i64, Option<i64>, u32),
) -> Result<Vec<TargetBuild>, StoreError> {
    let sql = format!("{SELECT} WHERE b.target = $1 AND b.job < $2 ORDER BY b.job DESC LIMIT $3");
    let values = vec![(*target).into(), before.unwrap_or(i64::MAX).into(), i64::from(*limit).into()];
    let builds = with_jobs(tx, &tx.query_all(&sql, values).await?).await?;
    Ok(builds.into_iter().map(|(_, build)| build).collect())
}

#[allow(clippy::ptr_arg, reason = "an operation gets its input as it was given")]
pub(super) async fn of_targets(tx: &Tx, targets: &Vec<i64>) -> Result<HashMap<i64, TargetRuns>, StoreError> {
    let mut runs = HashMap::<i64, TargetRuns>::new();
    if targets.is_empty() {
        return Ok(runs);
    }
    let which = numbered(targets.len());
    let values = || targets.iter().map(|target| (*target).into()).collect::<Vec<Value>>();
    let sql =
        format!("SELECT target, value, next_at FROM arch_target_archs WHERE target IN ({which}) ORDER BY id");
    for row in tx.query_all(&sql, values()).await? {
        let next = row.get::<Option<i64>>("next_at")?.map(Time);
        runs.entry(row.get("target")?).or_default().next.push((row.get("value")?, next));
    }
    let sql = format!(
        "{SELECT} JOIN arch_targets t ON t.id = b.target WHERE t.id IN ({which})
            AND b.job = (SELECT MAX(n.job) FROM arch_builds n WHERE n.target = t.id)"
    );
    for (target, build) in with_jobs(tx, &tx.query_all(&sql, values()).await?).await? {
        runs.entry(target).or_default().last = Some(build);
    }
    Ok(runs)
}

/// Builds with the number of their target, in the order of the rows.
async fn with_jobs(tx: &Tx, rows: &[Row]) -> Result<Vec<(i64, TargetBuild)>, StoreError> {
    let numbers: Vec<JobId> =
        rows.iter().map(|row| row.get("job").map(JobId)).collect::<Result<_, StoreError>>()?;
    let mut jobs = jobs_in(tx, &numbers).await?;
    let mut builds = Vec::with_capacity(rows.len());
    for (row, number) in rows.iter().zip(numbers) {
        if let Some(job) = jobs.remove(&number) {
            let build = TargetBuild { job, arch: row.get("arch")?, log: row.get("log")? };
            builds.push((row.get("target")?, build));
        }
    }
    Ok(builds)
}
