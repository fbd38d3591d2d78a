//! The end of jobs becomes that of builds.

use crate::change::{narrow, optional_word, word};
use crate::db::{Channel, Row, Tx, Write};
use crate::nix::evaluations::ended::last_message;
use ropewalk_core::nix::{Projection, without_nul};
use ropewalk_core::port::{EndedBuild, FailedDerivation, Failure, StoreError};
use ropewalk_model::ids::JobId;
use ropewalk_model::nix::{Metric, REALISED, Realised};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;

pub(in crate::nix) const SETTLE: Write = Write::durable("tell builds how they ended");

/// Bytes of a metric's name: no database can index longer ones.
const NAME_MAX: usize = 1024;

/// In the words of the index that holds only these.
const ENDED: &str = "SELECT j.id, j.round, j.status, j.cause, j.started, j.ended, j.work, w.attempts,
        w.cause AS work_cause, w.key, w.culprit,
        EXISTS (SELECT 1 FROM job_rounds r JOIN works o ON o.id = r.work
            WHERE r.job = j.id AND r.round < j.round AND o.status = 'succeeded') AS had_succeeded
    FROM jobs j JOIN works w ON w.id = j.work
    WHERE j.kind = 'hydra-build' AND j.ended IS NOT NULL AND j.settled < j.round
        AND j.kind IN ('hydra-build', 'hydra-evaluation')
    ORDER BY j.id LIMIT $1";

pub(in crate::nix) async fn ended(tx: &Tx, limit: &u32) -> Result<Vec<EndedBuild>, StoreError> {
    let mut ended = vec![];
    for row in tx.query_all(ENDED, vec![i64::from(*limit).into()]).await? {
        ended.push(read(tx, &row).await?);
    }
    Ok(ended)
}

async fn read(tx: &Tx, row: &Row) -> Result<EndedBuild, StoreError> {
    let work: i64 = row.get("work")?;
    let time = |column| Ok::<_, StoreError>(row.get::<Option<i64>>(column)?.map(Time));
    let realised = realised(tx, work).await?;
    Ok(EndedBuild {
        build: JobId(row.get("id")?),
        round: narrow(row, "round")?,
        status: word(row, "status")?,
        cause: optional_word(row, "cause")?,
        started: time("started")?,
        ended: time("ended")?.unwrap_or_default(),
        was_run: row.get::<i64>("attempts")? > 0,
        had_succeeded: row.get("had_succeeded")?,
        culprit: culprit(tx, row).await?,
        message: last_message(tx, work).await?,
        realised,
    })
}

/// The derivation whose own failure ended a build: one that it needs, or its own.
async fn culprit(tx: &Tx, row: &Row) -> Result<Option<FailedDerivation>, StoreError> {
    if let Some(culprit) = row.get::<Option<i64>>("culprit")? {
        let sql = "SELECT key, cause FROM works WHERE id = $1";
        let Some(work) = tx.query_one(sql, vec![culprit.into()]).await? else { return Ok(None) };
        let cause = optional_word(&work, "cause")?;
        return failed(tx, work.get("key")?, cause, culprit).await;
    }
    let cause: Option<Cause> = optional_word(row, "work_cause")?;
    failed(tx, row.get("key")?, cause, row.get("work")?).await
}

async fn failed(
    tx: &Tx,
    key: Option<String>,
    cause: Option<Cause>,
    work: i64,
) -> Result<Option<FailedDerivation>, StoreError> {
    let (Some(drv_path), Some(cause)) = (key, cause) else { return Ok(None) };
    let name = drv_path.rsplit('/').next().unwrap_or_default();
    let sql = "SELECT is_fixed FROM nix_works WHERE drv = $1 LIMIT 1";
    let known = tx.query_one(sql, vec![name.into()]).await?;
    // What nobody knows is not remembered as failed, as if it were fixed.
    let is_fixed = known.map_or(Ok(true), |row| row.get("is_fixed"))?;
    let message = last_message(tx, work).await?;
    Ok(Some(FailedDerivation { drv_path, cause, message, is_fixed }))
}

/// What the last attempt at a work said about its outputs. A long answer comes as several facts.
async fn realised(tx: &Tx, work: i64) -> Result<Option<Realised>, StoreError> {
    let sql = "SELECT f.value FROM attempt_facts f WHERE f.key = $2 AND f.attempt =
        (SELECT a.id FROM attempts a WHERE a.work = $1 ORDER BY a.number DESC LIMIT 1) ORDER BY f.number";
    let mut text = String::new();
    for row in tx.query_all(sql, vec![work.into(), REALISED.into()]).await? {
        text.push_str(&row.get::<String>("value")?);
    }
    if text.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(&without_nul(text.into_bytes())) {
        Ok(realised) => Ok(Some(realised)),
        Err(error) => {
            tracing::warn!(work, "what a runner said about outputs cannot be read: {error}");
            Ok(None)
        }
    }
}

pub(in crate::nix) async fn settle_all(
    tx: &Tx,
    (ends, failures): &(Vec<(JobId, i32, Projection)>, Vec<Failure>),
) -> Result<(), StoreError> {
    for (build, round, projection) in ends {
        settle(tx, *build, *round, projection).await?;
    }
    for failure in failures {
        let sql = "INSERT INTO nix_failures (drv_path, until) VALUES ($1, $2)
            ON CONFLICT (drv_path) DO UPDATE SET until = excluded.until";
        tx.execute(sql, vec![failure.drv_path.as_str().into(), failure.until.0.into()]).await?;
    }
    tx.after_commit_notify(Channel::Events);
    Ok(())
}

/// Writes how a round ended, once.
pub(in crate::nix) async fn settle(
    tx: &Tx,
    build: JobId,
    round: i32,
    projection: &Projection,
) -> Result<(), StoreError> {
    let sql = "UPDATE jobs SET settled = round WHERE id = $1 AND round = $2 AND ended IS NOT NULL AND settled < round";
    if tx.execute(sql, vec![build.0.into(), i64::from(round).into()]).await? == 0 {
        return Ok(());
    }
    let made = projection.realised.as_ref();
    let sql = "UPDATE nix_builds SET finished = $2, status = $3, is_cached = $4, started = $5, stopped = $6, size = $7,
        closure_size = $8, release_name = $9, message = $10 WHERE job = $1";
    let values = vec![
        build.0.into(),
        true.into(),
        projection.status.0.into(),
        projection.is_cached.into(),
        projection.started.0.into(),
        projection.stopped.0.into(),
        made.map(|made| bytes(made.size)).into(),
        made.map(|made| bytes(made.closure_size)).into(),
        made.and_then(|made| made.release_name.clone()).into(),
        projection.message.clone().into(),
    ];
    if tx.execute(sql, values).await? == 0 {
        // Its jobset was removed.
        return Ok(());
    }
    clear(tx, build).await?;
    match made {
        Some(made) => keep_made(tx, &[(build, made)]).await,
        None => Ok(()),
    }
}

/// Forgets what an earlier round made.
pub(super) async fn clear(tx: &Tx, build: JobId) -> Result<(), StoreError> {
    for sql in ["DELETE FROM nix_products WHERE build = $1", "DELETE FROM nix_metrics WHERE build = $1"] {
        tx.execute(sql, vec![build.0.into()]).await?;
    }
    Ok(())
}

/// Keeps products and metrics of builds that have none.
pub(in crate::nix) async fn keep_made(tx: &Tx, made: &[(JobId, &Realised)]) -> Result<(), StoreError> {
    let products = made.iter().flat_map(|(build, made)| {
        (1_i64..).zip(&made.products).map(|(number, product)| {
            vec![
                build.0.into(),
                number.into(),
                product.kind.as_str().into(),
                product.subtype.as_str().into(),
                product.name.as_str().into(),
                product.path.as_str().into(),
                product.default_path.clone().into(),
                product.size.map(bytes).into(),
                product.sha256.clone().into(),
            ]
        })
    });
    let head =
        "INSERT INTO nix_products (build, number, kind, subtype, name, path, default_path, size, sha256)";
    tx.insert_all(head, products.collect(), "").await?;
    let fits = |(name, metric): &(&String, &Metric)| name.len() <= NAME_MAX && metric.value.is_finite();
    let metrics = made.iter().flat_map(|(build, made)| {
        made.metrics.iter().filter(fits).map(|(name, metric)| {
            vec![build.0.into(), name.as_str().into(), metric.value.into(), metric.unit.clone().into()]
        })
    });
    tx.insert_all("INSERT INTO nix_metrics (build, name, value, unit)", metrics.collect(), "").await.map(drop)
}

pub(in crate::nix) fn bytes(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
