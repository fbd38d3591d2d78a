//! What is protected from Nix's own collector.

use crate::port::StoreError;
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::time::Duration;

/// Port for the roots of a Nix store. Whoever builds makes a root for each output, so that nothing is collected before
/// it was swept once.
#[async_trait]
pub trait NixRoots: Send + Sync {
    /// Makes roots for these store paths, as far as they are there, and removes all others of ours that are older than
    /// `grace`: an evaluation may be about to ask for them. Answers how many were removed.
    async fn sweep(&self, wanted: BTreeSet<String>, grace: Duration) -> Result<usize, StoreError>;
}
