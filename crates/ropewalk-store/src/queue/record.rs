//! Facts of an attempt while it runs.

use crate::change::{AttemptRow, Change, JobRow, StepChange, set_step};
use crate::db::{Tx, Write};
use ropewalk_core::port::StoreError;
use ropewalk_model::event::Fact;
use ropewalk_model::fault::Point;
use ropewalk_model::link::{AttemptFact, Report};
use ropewalk_model::status::StepStatus;
use ropewalk_model::time::Time;

pub(super) const RECORD: Write =
    Write::durable("record a fact").points(Point::RecordBeforeCommit, Point::RecordAfterCommit);

pub(crate) async fn record(tx: &Tx, (now, report): &(Time, Report)) -> Result<(), StoreError> {
    let attempt = AttemptRow::lock(tx, report.attempt).await?;
    if !attempt.has_fence(report.fence) {
        return Err(StoreError::Superseded { attempt: report.attempt.0 });
    }
    if report.number <= attempt.reports {
        return Ok(());
    }
    if attempt.ended {
        return Err(StoreError::Superseded { attempt: report.attempt.0 });
    }
    if report.number != attempt.reports + 1 {
        return Err(StoreError::Refused(format!(
            "report {} of attempt {} came before report {}: send that one first",
            report.number,
            report.attempt,
            attempt.reports + 1
        )));
    }
    let sql = "UPDATE attempts SET reports = $2 WHERE id = $1";
    tx.execute(sql, vec![attempt.id.0.into(), report.number.into()]).await?;
    let mut change = Change::new(tx, *now);
    note(&mut change, &attempt, report).await?;
    change.settle().await.map(|_| ())
}

async fn note(change: &mut Change<'_>, attempt: &AttemptRow, report: &Report) -> Result<(), StoreError> {
    // A runner's clock may be wrong, but nothing happened before its lease or will happen later.
    let at = report.at.clamp(attempt.leased.min(change.now), change.now);
    let (position, next, exit) = match &report.fact {
        AttemptFact::Started => return Ok(()),
        AttemptFact::Ended { .. } => {
            return Err(StoreError::Refused(
                "the end of an attempt is not a fact to record: finish it".into(),
            ));
        }
        AttemptFact::Resolved { key, value } => {
            return resolved(change, attempt, report.number, key, value).await;
        }
        AttemptFact::Artifact { path, size, sha256 } => {
            return artifact(change, attempt, path, *size, sha256).await;
        }
        AttemptFact::StepStarted { step } => (*step, StepStatus::Running, None),
        AttemptFact::StepEnded { step, exit: 0 } => (*step, StepStatus::Success, Some(0)),
        AttemptFact::StepEnded { step, exit } => (*step, StepStatus::Failed, Some(*exit)),
        AttemptFact::StepSkipped { step } => (*step, StepStatus::Skipped, None),
    };
    set_step(change, attempt.id, attempt.work, StepChange { position, next, exit, at }).await
}

async fn resolved(
    change: &mut Change<'_>,
    attempt: &AttemptRow,
    number: i64,
    key: &str,
    value: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO attempt_facts (attempt, number, key, value) VALUES ($1, $2, $3, $4)";
    let values = vec![attempt.id.0.into(), number.into(), key.into(), value.into()];
    change.tx.execute(sql, values).await.map(|_| ())
}

async fn artifact(
    change: &mut Change<'_>,
    attempt: &AttemptRow,
    path: &str,
    size: u64,
    sha256: &str,
) -> Result<(), StoreError> {
    let size = i64::try_from(size)
        .map_err(|_| StoreError::Refused(format!("a file of {size} bytes is larger than any can be")))?;
    let sql =
        "INSERT INTO artifacts (attempt, path, size, sha256, created, link) VALUES ($1, $2, $3, $4, $5, $6)";
    let values = vec![
        attempt.id.0.into(),
        path.into(),
        size.into(),
        sha256.into(),
        change.now.0.into(),
        new_link()?.into(),
    ];
    change.tx.execute(sql, values).await?;
    for job in JobRow::open_of(change.tx, attempt.work).await? {
        change.event(job.id, &Fact::Artifact { round: job.round, path: path.to_owned() }).await?;
    }
    Ok(())
}

/// 128 random bits: nobody guesses the link of a private job's file.
fn new_link() -> Result<String, StoreError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable {
        tried: "make a link".into(),
        reason: format!("the system gave no random bytes: {error}"),
    })?;
    Ok(hex::encode(bytes))
}
