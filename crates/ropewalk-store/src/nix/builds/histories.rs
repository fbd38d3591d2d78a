//! How builds of a job, or of all jobs, went over time.

use super::narrowed::{Narrowed, newest, places};
use super::read::metric;
use crate::db::{Row, Tx};
use crate::nix::evaluations::FINISHED;
use ropewalk_core::port::{BuildFilter, BuildProgress, MeasuredBuild, StoreError};
use ropewalk_model::nix::Metric;
use ropewalk_model::time::Time;
use std::collections::BTreeMap;

const SOMETHING_FINISHED: &str = "EXISTS (SELECT 1 FROM nix_evaluation_builds m
    JOIN nix_evaluations e ON e.id = m.evaluation WHERE m.build = b.job AND FINISHED)";

pub(in crate::nix) async fn newest_of(
    tx: &Tx,
    (filter, before, limit): &(BuildFilter, Option<i64>, u32),
) -> Result<Vec<i64>, StoreError> {
    newest(tx, &places(tx, filter).await?, *limit, |place| {
        let mut narrowed = Narrowed::by(filter, place);
        if let Some(before) = before {
            narrowed.told("b.job < ?", *before);
        }
        narrowed
    })
    .await
}

pub(in crate::nix) async fn latest_finished(
    tx: &Tx,
    filter: &BuildFilter,
) -> Result<Option<i64>, StoreError> {
    let filter = BuildFilter { state: BuildProgress::Succeeded, ..filter.clone() };
    let of_finished = SOMETHING_FINISHED.replace("FINISHED", FINISHED);
    let found = newest(tx, &places(tx, &filter).await?, 1, |place| {
        let mut narrowed = Narrowed::by(&filter, place);
        narrowed.wanted_at_all(&of_finished);
        narrowed
    })
    .await?;
    Ok(found.first().copied())
}

pub(in crate::nix) async fn measured(
    tx: &Tx,
    (filter, limit): &(BuildFilter, u32),
) -> Result<Vec<MeasuredBuild>, StoreError> {
    let mut found = vec![];
    for place in places(tx, filter).await? {
        let narrowed = Narrowed::by(filter, place);
        let sql = format!(
            "SELECT b.job, b.created, b.started, b.stopped, b.is_cached, b.size, b.closure_size FROM nix_builds b
            WHERE {} ORDER BY b.job DESC LIMIT {limit}",
            narrowed.sql()
        );
        for row in narrowed.ask(tx, &sql).await? {
            found.push(measure(&row)?);
        }
    }
    found.sort_unstable_by_key(|build| build.id);
    Ok(found)
}

fn measure(row: &Row) -> Result<MeasuredBuild, StoreError> {
    Ok(MeasuredBuild {
        id: row.get("job")?,
        created: Time(row.get("created")?),
        started: row.get::<Option<i64>>("started")?.map(Time),
        stopped: row.get::<Option<i64>>("stopped")?.map(Time),
        is_cached: row.get("is_cached")?,
        size: row.get("size")?,
        closure_size: row.get("closure_size")?,
    })
}

pub(in crate::nix) async fn metric_history(
    tx: &Tx,
    (filter, name, limit): &(BuildFilter, String, u32),
) -> Result<Vec<(i64, Time, Metric)>, StoreError> {
    let mut found = vec![];
    for place in places(tx, filter).await? {
        let mut narrowed = Narrowed::by(filter, place);
        narrowed.wanted("m.name = ?", name.as_str());
        let sql = format!(
            "SELECT b.job, b.created, m.value, m.unit FROM nix_builds b JOIN nix_metrics m ON m.build = b.job
            WHERE {} ORDER BY b.job DESC LIMIT {limit}",
            narrowed.sql()
        );
        for row in narrowed.ask(tx, &sql).await? {
            found.push((row.get("job")?, Time(row.get("created")?), metric(&row)?));
        }
    }
    found.sort_unstable_by_key(|(id, ..)| *id);
    Ok(found)
}

/// Builds have the numbers of their jobs, which are in the order in which they were made: where a time begins is found
/// from the newest one on.
pub(in crate::nix) async fn counted(
    tx: &Tx,
    (filter, from, width): &(BuildFilter, Time, i64),
) -> Result<BTreeMap<i64, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    for place in places(tx, filter).await? {
        let mut narrowed = Narrowed::by(filter, place);
        let told = narrowed.told_sql();
        let from = narrowed.value(from.0);
        let sql = format!(
            "SELECT (b.created - {from}) / {width} AS slot, COUNT(*) AS builds FROM nix_builds b
            WHERE {} AND b.created >= {from} AND b.job > COALESCE((SELECT b.job FROM nix_builds b
                WHERE {told} AND b.created < {from} ORDER BY b.job DESC LIMIT 1), 0)
            GROUP BY slot",
            narrowed.all_sql()
        );
        for row in narrowed.ask(tx, &sql).await? {
            let builds: i64 = row.get("builds")?;
            *counts.entry(row.get("slot")?).or_default() += u64::try_from(builds).unwrap_or(0);
        }
    }
    Ok(counts)
}
