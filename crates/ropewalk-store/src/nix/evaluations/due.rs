//! Jobsets that are due, and the start of their evaluation.

use crate::change::take_turn;
use crate::db::{Database, Tx, Write};
use crate::jobs::submit_in;
use crate::nix::jobsets;
use ropewalk_core::port::{DueJobset, NewEvaluation, StoreError};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{JobId, UserId};
use ropewalk_model::time::Time;

pub(in crate::nix) const START: Write =
    Write::durable("start an evaluation").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);
pub(in crate::nix) const REFUSE: Write = Write::durable("note that an evaluation cannot start");

/// Those that somebody asked for. What was forced is evaluated although it is disabled.
const TRIGGERED: &str = "SELECT j.id, p.owner, (j.is_hidden OR p.is_hidden) AS is_hidden
    FROM nix_jobsets j JOIN nix_projects p ON p.id = j.project
    WHERE j.triggered IS NOT NULL AND j.triggered <= $1
        AND (j.is_forced OR (p.is_enabled AND j.enabled > 0))
        AND NOT EXISTS (SELECT 1 FROM nix_evaluating e WHERE e.jobset = j.id)
    ORDER BY j.triggered, j.id LIMIT $2";

/// Those whose interval is over. One at a time means not before the builds of the newest evaluation are finished; the
/// question begins at unfinished builds, of which there are few or one is found at once.
const TIMED: &str = "SELECT j.id, p.owner, (j.is_hidden OR p.is_hidden) AS is_hidden
    FROM nix_jobsets j JOIN nix_projects p ON p.id = j.project
    WHERE j.enabled > 0 AND j.check_interval > 0 AND p.is_enabled AND j.triggered IS NULL
        AND COALESCE(j.checked, 0) + j.check_interval * 1000000 <= $1
        AND NOT EXISTS (SELECT 1 FROM nix_evaluating e WHERE e.jobset = j.id)
        AND (j.enabled <> 3 OR NOT EXISTS (SELECT 1 FROM nix_builds b
            JOIN nix_evaluation_builds m ON m.build = b.job
            WHERE b.jobset = j.id AND NOT b.finished AND m.evaluation = (SELECT MAX(v.id) FROM nix_evaluations v
                WHERE v.jobset = j.id AND v.ordinal IS NOT NULL)))
    ORDER BY COALESCE(j.checked, 0) + j.check_interval * 1000000, j.id LIMIT $2";

pub(in crate::nix) async fn due(tx: &Tx, (now, at_once): &(Time, u32)) -> Result<Vec<DueJobset>, StoreError> {
    let mut free = i64::from(*at_once) - running(tx).await?;
    let mut due = vec![];
    for sql in [TRIGGERED, TIMED] {
        if free <= 0 {
            break;
        }
        for row in tx.query_all(sql, vec![now.0.into(), free.into()]).await? {
            let Some(jobset) = jobsets::by_id(tx, &row.get("id")?).await? else { continue };
            due.push(DueJobset {
                newest_hash: newest_hash(tx, jobset.id).await?,
                owner: UserId(row.get("owner")?),
                is_hidden: row.get("is_hidden")?,
                jobset,
            });
            free -= 1;
        }
    }
    Ok(due)
}

async fn running(tx: &Tx) -> Result<i64, StoreError> {
    let row = tx.query_one("SELECT COUNT(*) AS running FROM nix_evaluating", vec![]).await?;
    row.map_or(Ok(0), |row| row.get("running"))
}

async fn newest_hash(tx: &Tx, jobset: i64) -> Result<Option<String>, StoreError> {
    let sql = "SELECT hash FROM nix_evaluations WHERE jobset = $1 ORDER BY id DESC LIMIT 1";
    tx.query_one(sql, vec![jobset.into()]).await?.map(|row| row.get("hash")).transpose()
}

pub(in crate::nix) async fn start(
    tx: &Tx,
    (now, new): &(Time, NewEvaluation),
) -> Result<Option<JobId>, StoreError> {
    // Servers that look at the same time start one after another, so that no more than allowed run.
    take_turn(tx).await?;
    if !waits(tx, new.jobset, new.triggered).await? || running(tx).await? >= i64::from(new.at_once) {
        return Ok(None);
    }
    let made = submit_in(tx, &(*now, new.submission.clone())).await?;
    let job = made.jobs.first().ok_or_else(|| StoreError::Corrupt("an evaluation without a job".into()))?;
    let sql = "INSERT INTO nix_evaluating (jobset, job) VALUES ($1, $2)";
    tx.execute(sql, vec![new.jobset.into(), job.0.into()]).await?;
    let sql = "UPDATE nix_jobsets SET started = $2, is_forced = $3 WHERE id = $1";
    tx.execute(sql, vec![new.jobset.into(), now.0.into(), false.into()]).await?;
    Ok(Some(*job))
}

/// Whether a jobset still waits as it did when it was read.
async fn waits(tx: &Tx, jobset: i64, triggered: Option<Time>) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT triggered, EXISTS (SELECT 1 FROM nix_evaluating e WHERE e.jobset = nix_jobsets.id) AS running
        FROM nix_jobsets WHERE id = $1{}",
        tx.for_update()
    );
    let Some(row) = tx.query_one(&sql, vec![jobset.into()]).await? else { return Ok(false) };
    let is_same = row.get::<Option<i64>>("triggered")?.map(Time) == triggered;
    Ok(is_same && !row.get::<bool>("running")?)
}

pub(in crate::nix) async fn refuse(
    tx: &Tx,
    (now, jobset, triggered, why): &(Time, i64, Option<Time>, String),
) -> Result<(), StoreError> {
    if !waits(tx, *jobset, *triggered).await? {
        return Ok(());
    }
    let sql = "UPDATE nix_jobsets SET fetch_error = $2, checked = $3, triggered = NULL, is_forced = $4 WHERE id = $1";
    let values = vec![(*jobset).into(), why.as_str().into(), now.0.into(), false.into()];
    tx.execute(sql, values).await.map(drop)
}

pub(in crate::nix) async fn evaluating(db: &Database, jobset: i64) -> Result<Option<JobId>, StoreError> {
    let sql = "SELECT job FROM nix_evaluating WHERE jobset = $1";
    let row = db.query_one("look up an evaluation that runs", sql, vec![jobset.into()]).await?;
    row.map(|row| row.get("job").map(JobId)).transpose()
}
