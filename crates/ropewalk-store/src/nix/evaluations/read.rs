//! Evaluations as they are shown.

use crate::db::{Database, Row, Tx};
use ropewalk_core::port::{Counts, EvaluationRow, StoreError};
use ropewalk_model::ids::JobId;
use ropewalk_model::nix::ResolvedInput;
use ropewalk_model::time::Time;
use sea_orm::Value;
use std::collections::HashMap;

const SELECT: &str = "SELECT e.id, e.job, e.jobset, p.name AS project, j.name AS jobset_name, e.created, \
    e.checkout_time, e.evaluation_time, e.ordinal FROM nix_evaluations e JOIN nix_jobsets j ON j.id = e.jobset \
    JOIN nix_projects p ON p.id = j.project";

async fn select(tx: &Tx, rest: &str, values: Vec<Value>) -> Result<Vec<EvaluationRow>, StoreError> {
    let rows = tx.query_all(&format!("{SELECT} {rest}"), values).await?;
    let mut evaluations = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if evaluations.is_empty() {
        return Ok(evaluations);
    }
    let ids = || evaluations.iter().map(|evaluation| evaluation.id.into()).collect::<Vec<Value>>();
    let which = super::numbered(1, evaluations.len());
    let sql = format!(
        "SELECT evaluation, build FROM nix_evaluation_builds WHERE evaluation IN ({which}) ORDER BY build"
    );
    let mut builds = HashMap::<i64, Vec<i64>>::new();
    for row in tx.query_all(&sql, ids()).await? {
        builds.entry(row.get("evaluation")?).or_default().push(row.get("build")?);
    }
    let sql = format!("SELECT * FROM nix_evaluation_inputs WHERE evaluation IN ({which})");
    let mut inputs = HashMap::<i64, Vec<(String, ResolvedInput)>>::new();
    for row in tx.query_all(&sql, ids()).await? {
        inputs.entry(row.get("evaluation")?).or_default().push((row.get("name")?, input(&row)?));
    }
    for evaluation in &mut evaluations {
        evaluation.builds = builds.remove(&evaluation.id).unwrap_or_default();
        evaluation.inputs = inputs.remove(&evaluation.id).unwrap_or_default().into_iter().collect();
    }
    Ok(evaluations)
}

fn read(row: &Row) -> Result<EvaluationRow, StoreError> {
    Ok(EvaluationRow {
        id: row.get("id")?,
        job: JobId(row.get("job")?),
        jobset_id: row.get("jobset")?,
        project: row.get("project")?,
        jobset: row.get("jobset_name")?,
        created: Time(row.get("created")?),
        checkout_time: row.get("checkout_time")?,
        evaluation_time: row.get("evaluation_time")?,
        ordinal: row.get("ordinal")?,
        builds: vec![],
        inputs: Default::default(),
    })
}

fn input(row: &Row) -> Result<ResolvedInput, StoreError> {
    Ok(ResolvedInput {
        kind: row.get("kind")?,
        uri: row.get("uri")?,
        revision: row.get("revision")?,
        value: row.get("value")?,
        dependency: row.get("dependency")?,
        store_path: row.get("store_path")?,
    })
}

pub(in crate::nix) async fn by_id(tx: &Tx, id: &i64) -> Result<Option<EvaluationRow>, StoreError> {
    Ok(select(tx, "WHERE e.id = $1", vec![(*id).into()]).await?.pop())
}

pub(in crate::nix) async fn of_jobset(
    tx: &Tx,
    (jobset, from, limit): &(i64, i64, u32),
) -> Result<Vec<EvaluationRow>, StoreError> {
    let rest =
        "WHERE e.jobset = $1 AND e.ordinal IS NOT NULL AND e.ordinal <= $2 ORDER BY e.ordinal DESC LIMIT $3";
    select(tx, rest, vec![(*jobset).into(), (*from).into(), i64::from(*limit).into()]).await
}

pub(in crate::nix) async fn newest(
    tx: &Tx,
    (before, limit): &(i64, u32),
) -> Result<Vec<EvaluationRow>, StoreError> {
    let rest = "WHERE e.id < $1 AND e.ordinal IS NOT NULL ORDER BY e.id DESC LIMIT $2";
    select(tx, rest, vec![(*before).into(), i64::from(*limit).into()]).await
}

/// The ordinal of the newest one is their number.
pub(in crate::nix) async fn count(db: &Database, jobset: i64) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE(MAX(ordinal), 0) AS total FROM nix_evaluations WHERE jobset = $1 AND ordinal IS NOT NULL";
    let row = db.query_one("count evaluations", sql, vec![jobset.into()]).await?;
    row.map_or(Ok(0), |row| row.get("total"))
}

pub(in crate::nix) async fn latest(db: &Database, jobset: i64) -> Result<Option<i64>, StoreError> {
    let sql = format!(
        "SELECT e.id FROM nix_evaluations e WHERE e.jobset = $1 AND e.ordinal IS NOT NULL AND {}
        ORDER BY e.ordinal DESC LIMIT 1",
        super::FINISHED
    );
    let row = db.query_one("look for the latest evaluation", &sql, vec![jobset.into()]).await?;
    row.map(|row| row.get("id")).transpose()
}

pub(in crate::nix) async fn latest_of_build(db: &Database, build: i64) -> Result<Option<i64>, StoreError> {
    let sql = format!(
        "SELECT e.id FROM nix_evaluation_builds m JOIN nix_evaluations e ON e.id = m.evaluation
        WHERE m.build = $1 AND {} ORDER BY m.evaluation DESC LIMIT 1",
        super::FINISHED
    );
    let row = db.query_one("look for the latest evaluation", &sql, vec![build.into()]).await?;
    row.map(|row| row.get("id")).transpose()
}

#[allow(clippy::ptr_arg, reason = "an operation gets its input as it was given")]
pub(in crate::nix) async fn counts(tx: &Tx, ids: &Vec<i64>) -> Result<HashMap<i64, Counts>, StoreError> {
    let which = super::numbered(1, ids.len());
    let sql = format!(
        "SELECT m.evaluation AS id, b.finished, b.status, COUNT(*) AS builds FROM nix_evaluation_builds m
        JOIN nix_builds b ON b.job = m.build WHERE m.evaluation IN ({which})
        GROUP BY m.evaluation, b.finished, b.status"
    );
    let rows = tx.query_all(&sql, ids.iter().map(|id| (*id).into()).collect()).await?;
    super::sum(&rows)
}
