//! The status of step runs.

use super::{Change, JobRow, optional_word};
use ropewalk_core::port::StoreError;
use ropewalk_model::event::Fact;
use ropewalk_model::ids::{AttemptId, WorkId};
use ropewalk_model::status::StepStatus;
use ropewalk_model::time::Time;

/// A step run's next status, and what is known with it.
pub(crate) struct StepChange {
    pub(crate) position: u32,
    pub(crate) next: StepStatus,
    pub(crate) exit: Option<i32>,
    pub(crate) at: Time,
}

/// The one place where the status of a step changes. A step run without a row is pending.
pub(crate) async fn set_step(
    change: &mut Change<'_>,
    attempt: AttemptId,
    work: WorkId,
    step: StepChange,
) -> Result<(), StoreError> {
    let position = i64::from(step.position);
    let sql = "SELECT status FROM step_runs WHERE attempt = $1 AND position = $2";
    let row = change.tx.query_one(sql, vec![attempt.0.into(), position.into()]).await?;
    let now = match &row {
        Some(row) => optional_word(row, "status")?.unwrap_or(StepStatus::Pending),
        None => StepStatus::Pending,
    };
    if !now.may_become(step.next) {
        return Err(StoreError::Refused(format!(
            "step {position} of attempt {attempt} is {now} and cannot become {}",
            step.next
        )));
    }
    let sql = "INSERT INTO step_runs (attempt, position, status, exit, started, ended)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (attempt, position) DO UPDATE SET status = excluded.status, exit = excluded.exit,
        started = COALESCE(step_runs.started, excluded.started), ended = excluded.ended";
    let started = (step.next == StepStatus::Running).then_some(step.at.0);
    let ended = matches!(step.next, StepStatus::Success | StepStatus::Failed).then_some(step.at.0);
    let values = vec![
        attempt.0.into(),
        position.into(),
        step.next.to_string().into(),
        step.exit.map(i64::from).into(),
        started.into(),
        ended.into(),
    ];
    change.tx.execute(sql, values).await?;
    let position = i32::try_from(step.position)
        .map_err(|_| StoreError::Refused(format!("there is no step {position}")))?;
    for job in JobRow::open_of(change.tx, work).await? {
        let fact = Fact::Step { round: job.round, position, status: step.next };
        change.event(job.id, &fact).await?;
    }
    Ok(())
}
