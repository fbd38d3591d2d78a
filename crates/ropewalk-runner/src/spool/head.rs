//! What is fixed about a spool when it is made.

use super::{At, SpoolError};
use crate::image::Origins;
use crate::nix;
use crate::sandbox::Network;
use ropewalk_model::fault::spool_version;
use ropewalk_model::ids::{AttemptId, Fence, JobId, WorkId};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The content of `spool.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`spool_version`] of the program that made the spool.
    pub version: u32,
    /// Boot id of the kernel that ran then. Under another one nothing of the build can be alive.
    pub boot: String,
    /// The attempt.
    pub attempt: AttemptId,
    /// The work that it tries.
    pub work: WorkId,
    /// Its lease.
    pub fence: Fence,
    /// Number that marks in the setup log carry; none without a server.
    pub job: Option<JobId>,
    /// How this machine runs builds.
    pub settings: Settings,
}

/// What a supervisor needs to know of the machine's configuration. Holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Name of the runner, as the setup log shows it.
    pub runner: String,
    /// Data folder, for its images.
    pub data: PathBuf,
    /// What of the network builds see.
    pub network: Network,
    /// Where an image comes from that is not here.
    pub origins: Origins,
    /// The build belongs to a terminal: its logs go to the supervisor's standard output as well,
    /// and it ends when standard input is closed.
    pub tethered: bool,
    /// How this machine has Nix; none if it has not.
    pub nix: Option<nix::Settings>,
    /// Sources that are taken from an archive instead of from their URL.
    pub local_sources: Vec<LocalSource>,
}

/// A source whose files were packed on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSource {
    /// Folder name of the source in the plan.
    pub directory: String,
    /// File name, in the spool, of a tar archive whose members lie below that name.
    pub archive: String,
}

impl Head {
    pub(super) fn read(path: &Path) -> Result<Head, SpoolError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let bytes = std::fs::read(path).at("read", path)?;
        let malformed =
            |e: serde_json::Error| SpoolError::Malformed { path: path.into(), why: e.to_string() };
        // The version first: a later program's head may look different.
        let Version { version: found } = serde_json::from_slice(&bytes).map_err(malformed)?;
        let spool = || path.parent().unwrap_or(path).to_path_buf();
        if found > spool_version() {
            return Err(SpoolError::Newer { path: spool(), found });
        }
        if found.saturating_add(1) < spool_version() {
            return Err(SpoolError::Older { path: spool(), found });
        }
        serde_json::from_slice(&bytes).map_err(malformed)
    }

    /// Whether the machine was started anew since the spool was made.
    #[must_use]
    pub fn is_of_another_boot(&self) -> bool {
        boot_id() != self.boot
    }
}

/// The running kernel's boot id; empty if it tells none, and then every boot counts as the same.
pub(super) fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
