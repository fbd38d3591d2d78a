//! The roots of this machine's Nix store, as the core asks for them.

use crate::config::Config;
use async_trait::async_trait;
use ropewalk_core::port::{NixRoots, StoreError};
use ropewalk_runner::nix::{Settings, Tools, roots};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Links in the store that this machine builds in.
pub(super) struct StoreRoots {
    settings: Settings,
}

impl StoreRoots {
    /// None where this process builds nothing with Nix.
    pub(super) fn of(config: &Config, data: &Path) -> Option<StoreRoots> {
        let settings = config.nix.of_runner(data).ok().flatten().filter(|_| config.runner.embedded)?;
        Some(StoreRoots { settings })
    }
}

#[async_trait]
impl NixRoots for StoreRoots {
    async fn sweep(&self, wanted: BTreeSet<String>, grace: Duration) -> Result<usize, StoreError> {
        let settings = self.settings.clone();
        let failed = |reason: &dyn std::fmt::Display| StoreError::Unavailable {
            tried: "sweep the roots of the Nix store".into(),
            reason: reason.to_string(),
        };
        let swept = tokio::task::spawn_blocking(move || {
            let tools = Tools::open(&settings).map_err(|error| error.to_string())?;
            roots::sweep(&tools, &wanted, grace).map_err(|error| error.to_string())
        });
        swept.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
    }
}
