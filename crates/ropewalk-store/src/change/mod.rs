//! How the status of works, jobs and steps changes: the only code that writes one.
//!
//! A [`Change`] belongs to one transaction. Every status goes through its state machine in
//! [`ropewalk_model::status`], every change of a job writes its event beside it, and what follows from a change is
//! decided by [`ropewalk_core::finish`] and carried out by [`Change::settle`] before the transaction ends.
//!
//! Locks on PostgreSQL are taken in this order: the turn of tied works, works, leases, attempts, jobs, users' counts,
//! groups, share groups. What meets in a deadlock all the same is run again by the engine.

mod attempt;
mod cascade;
mod interest;
mod job;
mod made;
mod share;
mod step;
mod turn;
mod work;

pub(crate) use attempt::AttemptRow;
pub(crate) use job::JobRow;
pub(crate) use made::MadeJob;
pub(crate) use share::drop_old_usage;
pub(crate) use step::{StepChange, set_step};
pub(crate) use turn::{take_turn, take_turn_for_attempt, take_turn_for_job, take_turn_for_work};
pub(crate) use work::WorkRow;

use crate::db::{Row, Tx};
use ropewalk_core::port::{Finished, StoreError};
use ropewalk_model::ids::{ShareGroupId, WorkId};
use ropewalk_model::status::{Cause, WorkStatus};
use ropewalk_model::time::Time;
use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;

/// What one transaction changes, and what has to follow from it yet.
pub(crate) struct Change<'t> {
    pub(crate) tx: &'t Tx,
    pub(crate) now: Time,
    due: VecDeque<Due>,
    finished: Finished,
    /// By how much the number of running works changes.
    running: BTreeMap<ShareGroupId, i64>,
}

/// Something that has to follow.
enum Due {
    /// A work ends.
    End { work: WorkId, end: End },
    /// Nobody may need a work any more.
    Unneeded { work: WorkId, cause: Cause },
}

/// How a work ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) status: WorkStatus,
    pub(crate) cause: Option<Cause>,
    pub(crate) message: Option<String>,
    /// The work whose own failure this is.
    pub(crate) culprit: Option<WorkId>,
}

impl<'t> Change<'t> {
    pub(crate) fn new(tx: &'t Tx, now: Time) -> Change<'t> {
        Change { tx, now, due: VecDeque::new(), finished: Finished::default(), running: BTreeMap::new() }
    }

    /// Has a work end, and whatever depends on that.
    pub(crate) fn end(&mut self, work: WorkId, end: End) {
        self.due.push_back(Due::End { work, end });
    }

    /// Has a work end, or its runner told, if nobody needs it any more.
    pub(crate) fn unneeded(&mut self, work: WorkId, cause: Cause) {
        self.due.push_back(Due::Unneeded { work, cause });
    }

    /// Notes that a work of a share group was leased (1) or is not leased any more (-1).
    pub(crate) fn account(&mut self, group: ShareGroupId, running: i64) {
        *self.running.entry(group).or_default() += running;
    }

    /// Carries out all that has to follow and says what came of it.
    pub(crate) async fn settle(mut self) -> Result<Finished, StoreError> {
        self.run().await?;
        for (group, running) in &self.running {
            share::account(self.tx, self.now, *group, *running).await?;
        }
        Ok(self.finished)
    }
}

/// A word of a closed list in a column.
pub(crate) fn word<T: FromStr>(row: &Row, column: &str) -> Result<T, StoreError> {
    parse(column, &row.get::<String>(column)?)
}

/// A word of a closed list in a column that may be empty.
pub(crate) fn optional_word<T: FromStr>(row: &Row, column: &str) -> Result<Option<T>, StoreError> {
    row.get::<Option<String>>(column)?.map(|text| parse(column, &text)).transpose()
}

fn parse<T: FromStr>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("the word \"{text}\" in column {column}")))
}

/// A value of this program as JSON text.
pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt(format!("a value that is no JSON: {e}")))
}

/// Reads [`to_json`] back.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|e| StoreError::Corrupt(format!("column {column}: {e}")))
}

/// A number that this program wrote as a smaller type.
pub(crate) fn narrow<T: TryFrom<i64>>(row: &Row, column: &str) -> Result<T, StoreError> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| StoreError::Corrupt(format!("the number {number} in column {column}")))
}
