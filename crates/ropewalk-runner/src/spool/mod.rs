//! The spool: the folder that an agent and the supervisor of one attempt share.
//!
//! | name | who writes | what |
//! |---|---|---|
//! | `spool.json` | creator | [`Head`]: version, boot, attempt, settings |
//! | `plan.json` | creator | the sealed plan |
//! | `lock` | – | held by the supervisor (`flock`) for as long as anything of the build may live |
//! | `control` | agent | FIFO, see [`control`] |
//! | `events.jsonl` | supervisor | one fact a line, see [`events`] |
//! | `logs/` | supervisor | one plain file a log, and the times of its bytes beside it, see [`Times`] |
//! | `artifacts/` | supervisor | collected files by position in the plan |
//! | `layer/` | supervisor | what the build wrote; belongs to the id range |
//! | `supervisor.json` | supervisor | its process, its deadline and the control groups of its sandbox |
//! | `init.json` | supervisor | the sandbox's first process |
//! | `errors` | supervisor | its standard error |
//! | `agent/sent.json` | agent | what the server has acknowledged |
//! | `agent/end.json` | agent | the end that it decided on before it killed the supervisor |

pub mod control;
mod create;
mod error;
pub mod events;
mod head;
mod lock;
mod logs;
mod process;
mod remove;
#[cfg(test)]
mod tests;
mod times;

pub use create::create;
pub use error::SpoolError;
pub use head::{Head, LocalSource, Settings};
pub use lock::Lock;
pub use logs::{log_file, times_file};
pub use process::{Process, Supervisor};
pub use remove::{TRIAL, clean, clean_by, sweep_unfinished};
pub(crate) use times::Times;

use create::UNFINISHED;
pub(crate) use error::At;

use ropewalk_model::plan::SealedPlan;
use std::path::{Path, PathBuf};

/// Folder of what the build wrote.
const LAYER: &str = "layer";

/// An attempt's folder, of a version that this program understands.
#[derive(Clone, Debug)]
pub struct Spool {
    path: PathBuf,
    /// What was fixed when it was made.
    pub head: Head,
}

impl Spool {
    /// Opens the spool at `path`.
    ///
    /// # Errors
    /// [`SpoolError::Newer`] when a later program made it.
    pub fn open(path: &Path) -> Result<Spool, SpoolError> {
        let path = path.canonicalize().at("find the spool", path)?;
        let head = Head::read(&path.join("spool.json"))?;
        Ok(Spool { path, head })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name that no other spool of this machine has while this one is there.
    #[must_use]
    pub fn name(&self) -> String {
        use std::os::unix::fs::MetadataExt;
        let inode = std::fs::metadata(&self.path).map_or(0, |meta| meta.ino());
        format!("{}-{}-{inode:x}", self.head.attempt, self.head.fence.0)
    }

    /// The plan, still sealed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn plan(&self) -> Result<SealedPlan, SpoolError> {
        read_json(&self.path.join("plan.json"))
    }

    /// Folder of the logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Where the artifact at this position of the plan lies.
    #[must_use]
    pub fn artifact(&self, position: usize) -> PathBuf {
        self.path.join("artifacts").join(position.to_string())
    }

    /// What the build wrote over its image.
    #[must_use]
    pub fn layer(&self) -> PathBuf {
        self.path.join(LAYER)
    }

    /// Where the supervisor's standard error goes.
    #[must_use]
    pub fn errors(&self) -> PathBuf {
        self.path.join("errors")
    }
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, SpoolError> {
    let bytes = std::fs::read(path).at("read", path)?;
    serde_json::from_slice(&bytes)
        .map_err(|source| SpoolError::Malformed { path: path.into(), why: source.to_string() })
}

/// Writes a file that is there whole or not at all, also after a power failure.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SpoolError> {
    use std::io::Write;
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new).at("create", &new)?;
    file.write_all(bytes).at("write", &new)?;
    file.sync_data().at("sync", &new)?;
    std::fs::rename(&new, path).at("rename to", path)
}
