//! What can go wrong with a spool.

use ropewalk_model::fault::spool_version;
use std::io;
use std::path::{Path, PathBuf};

/// A spool could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// A file operation failed.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A later program made it.
    #[error(
        "the spool {path} has version {found}, this program reads up to {known}: start the program that made it, or a later one",
        known = spool_version()
    )]
    Newer {
        /// The spool.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A program too old made it.
    #[error(
        "the spool {path} has version {found}, this program reads from {oldest}: start the program before this one once, and wait until its builds have ended",
        oldest = spool_version().saturating_sub(1)
    )]
    Older {
        /// The spool.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A file in it is not what it should be.
    #[error("{path} cannot be read: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What a build left can be removed only from inside the id range.
    #[error("cannot remove what the build left in {path}: {why}")]
    Range {
        /// The spool.
        path: PathBuf,
        /// Why the range cannot be entered.
        why: String,
    },
    /// Another supervisor, or what is left of one, holds it.
    #[error("the spool {path} has a supervisor already")]
    Busy {
        /// The spool.
        path: PathBuf,
    },
}

impl SpoolError {
    /// Whether the file system has no room left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, SpoolError::File { source, .. } if is_full(source))
    }
}

/// Whether the file system, or a quota on it, has no room left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Adds what was tried, on what, to a failed file operation.
pub(crate) trait At<T> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, SpoolError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, what: &'static str, path: &Path) -> Result<T, SpoolError> {
        self.map_err(|e| SpoolError::File { what, path: path.into(), source: e.into() })
    }
}
