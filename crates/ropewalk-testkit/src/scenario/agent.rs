//! A runner of a scenario.

use super::RunnerSpec;
use crate::dummy::Course;
use ropewalk_core::port::Lease;
use ropewalk_model::ids::{AttemptId, RunnerId};
use ropewalk_model::link::AttemptFact;
use std::collections::BTreeMap;

/// A runner, and what it holds.
pub(super) struct Agent {
    pub(super) spec: RunnerSpec,
    pub(super) id: RunnerId,
    pub(super) held: BTreeMap<AttemptId, Held>,
    /// A renewal is due.
    pub(super) renewing: bool,
}

/// An attempt in progress.
pub(super) struct Held {
    pub(super) lease: Lease,
    /// Name of its work.
    pub(super) name: String,
    pub(super) course: Course,
    /// Facts that were reported.
    pub(super) reported: usize,
}

impl Agent {
    pub(super) fn free(&self) -> u32 {
        let held = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        u32::try_from(self.spec.slots.saturating_sub(held)).unwrap_or(u32::MAX)
    }
}

impl Held {
    /// It is heard of again.
    pub(super) fn is_alive(&self) -> bool {
        self.course.outcome.is_some()
    }

    /// The next fact and its number, from 1.
    pub(super) fn next_fact(&self) -> Option<(i64, AttemptFact)> {
        let (_, fact) = self.course.facts.get(self.reported)?;
        Some((i64::try_from(self.reported).unwrap_or(i64::MAX).saturating_add(1), fact.clone()))
    }
}
