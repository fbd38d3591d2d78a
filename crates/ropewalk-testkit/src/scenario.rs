//! Scenarios: what a farm does over hours, as data.
//!
//! `tests/scenarios/NN_name.yml` says who asks for what when and which runners there are ([`Scenario`]);
//! `NN_name.expect.yml` says what must have come of it ([`Expectation`]). The driver carries it out through the real
//! store with runners that run nothing ([`dummy`](crate::dummy)) and a clock that jumps from one event to the next.
//! After each step the whole database is audited, and no work may ever be held by two runners.

mod agent;
mod ends;
mod expect;
mod running;
mod script;
mod world;

pub use expect::{Expectation, JobExpectation, Ratio};
pub use script::{Act, GroupSpec, JobSpec, RunnerSpec, Scenario, Share, SubmitSpec, TimedAct, WorkSpec};
pub use world::World;

use crate::clock::FakeClock;
use ropewalk_core::port::StoreError;
use ropewalk_store::SqlStore;
use std::path::Path;
use std::sync::Arc;

/// Why a scenario could not be carried out, or did not come out as expected.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A file cannot be read.
    #[error("{0}")]
    File(String),
    /// The scenario speaks of something that it did not make.
    #[error("the scenario names {0}, which is not there")]
    Unknown(String),
    /// The store refused what the scenario takes for granted.
    #[error("{what}: {error}")]
    Store {
        /// What was tried.
        what: String,
        /// What the store said.
        error: StoreError,
    },
    /// A rule was broken that holds in every scenario.
    #[error("{0}")]
    Broken(String),
    /// What came of it is not what was expected.
    #[error("{0}")]
    Unexpected(String),
}

/// Reads a scenario.
pub fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Trouble> {
    let failed = |e: &dyn std::fmt::Display| Trouble::File(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| failed(&e))?;
    serde_saphyr::from_str(&text).map_err(|e| failed(&e))
}

/// Carries a scenario out in a fresh store, which must have been opened with this clock.
pub async fn run(scenario: &Scenario, store: SqlStore, clock: Arc<FakeClock>) -> Result<World, Trouble> {
    let mut world = World::new(scenario, store, clock).await?;
    world.run().await?;
    Ok(world)
}
