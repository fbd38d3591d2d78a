//! The farm: what all use cases share.

use crate::arch::{ArchSettings, Databases, Seats};
use crate::badges::Badges;
use crate::error::Error;
use crate::identity::Passwords;
use crate::nix::NixSettings;
use crate::port::{Blobs, Clock, Logs, NixFiles, NixRoots, Store};
use crate::queue::Leases;
use ropewalk_model::limits::{BuildLimits, RequestLimits};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::OnceCell;

/// What an administrator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Public address of the server, without a slash at the end.
    pub origin: String,
    /// What requests may ask for.
    pub requests: RequestLimits,
    /// What builds may use.
    pub builds: BuildLimits,
    /// A runner that was not heard of for this long has lost its attempts.
    pub lost_after: Duration,
    /// A blob that nothing refers to is removed after this long.
    pub unused_blobs: Duration,
    /// About packages.
    pub arch: ArchSettings,
    /// About evaluations.
    pub nix: NixSettings,
}

/// Use cases over ports. Cheap to share behind an `Arc`; holds no truth of its own.
pub struct Farm {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) logs: Arc<dyn Logs>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) passwords: Passwords,
    pub(crate) leases: Leases,
    pub(crate) databases: Databases,
    pub(crate) seats: Seats,
    /// Whether it was said that an agent holds more than it should.
    pub(crate) told_of_key: AtomicBool,
    /// Set once what schedules missed was skipped.
    pub(crate) missed: OnceCell<()>,
    pub(crate) roots: Option<Arc<dyn NixRoots>>,
    pub(crate) nix_files: Option<Arc<dyn NixFiles>>,
    pub(crate) badges: Badges,
}

impl Farm {
    /// A farm over these ports.
    pub fn new(
        store: Arc<dyn Store>,
        logs: Arc<dyn Logs>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Farm {
        let seats = Seats::new(settings.arch.reads_at_once);
        Farm {
            store,
            logs,
            blobs,
            clock,
            settings,
            passwords: Passwords::default(),
            leases: Leases::default(),
            databases: Databases::default(),
            seats,
            told_of_key: AtomicBool::new(false),
            missed: OnceCell::new(),
            roots: None,
            nix_files: None,
            badges: Badges::default(),
        }
    }

    /// The same with a Nix store whose roots it sweeps.
    pub fn with_roots(self, roots: Arc<dyn NixRoots>) -> Farm {
        Farm { roots: Some(roots), ..self }
    }

    /// What the administrator decided.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Now, by the farm's clock.
    pub fn now(&self) -> ropewalk_model::time::Time {
        self.clock.now()
    }

    /// Passes when the database answers.
    pub async fn ready(&self) -> Result<(), Error> {
        Ok(self.store.users(None, 1).await.map(drop)?)
    }

    /// Address of a job's page.
    pub fn job_url(&self, owner: &str, job: ropewalk_model::ids::JobId) -> String {
        format!("{}{}", self.settings.origin, job_path(owner, job))
    }
}

/// The path of a job's page, which is the same in all dialects.
pub fn job_path(owner: &str, job: ropewalk_model::ids::JobId) -> String {
    format!("/~{owner}/job/{job}")
}

impl std::fmt::Debug for Farm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Farm").field("settings", &self.settings).finish_non_exhaustive()
    }
}
