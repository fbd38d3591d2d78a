//! A farm on a store of its own, and the people who use it.

#![allow(clippy::expect_used, reason = "for tests: without a farm there is nothing to show")]

use ropewalk_core::access::Caller;
use ropewalk_core::arch::ArchSettings;
use ropewalk_core::farm::{Farm, Settings};
use ropewalk_core::identity::Newcomer;
use ropewalk_core::nix::NixSettings;
use ropewalk_core::port::{Clock, Role};
use ropewalk_model::grant::Grants;
use ropewalk_model::limits::{BuildLimits, RequestLimits};
use ropewalk_store::{DiskBlobs, DiskLogs, SqlStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a farm of [`settings`] waits for a runner.
pub const LOST_AFTER: Duration = Duration::from_secs(600);

/// What an administrator has decided, where a test has no opinion.
pub fn settings() -> Settings {
    Settings {
        origin: "https://farm.example".into(),
        requests: RequestLimits::default(),
        builds: BuildLimits::default(),
        lost_after: LOST_AFTER,
        unused_blobs: Duration::from_secs(3600),
        arch: ArchSettings::default(),
        nix: NixSettings::default(),
    }
}

/// A farm with its blobs and logs in a folder.
pub async fn farm(
    store: &SqlStore,
    folder: &Path,
    clock: Arc<dyn Clock>,
    settings: Settings,
) -> (Farm, DiskBlobs) {
    let blobs = DiskBlobs::open(&folder.join("blobs"), store.clone()).await.expect("a folder for blobs");
    let (shared, index) = (Arc::new(blobs.clone()), Arc::new(store.clone()));
    let logs =
        DiskLogs::open(&folder.join("logs"), shared.clone(), index.clone()).await.expect("a folder for logs");
    (Farm::new(index, Arc::new(logs), shared, clock, settings), blobs)
}

/// A new account with these roles, which may do whatever they allow.
pub async fn user(farm: &Farm, name: &str, roles: &[Role]) -> Caller {
    let roles = roles.iter().copied().collect();
    let newcomer = Newcomer { name: name.into(), roles, ..Newcomer::default() };
    let user = Box::new(farm.create_user(&Caller::Local, newcomer).await.expect("a new name"));
    Caller::User { user, grants: Grants::All, expires: None, token: None }
}
