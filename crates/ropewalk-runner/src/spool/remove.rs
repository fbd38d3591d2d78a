//! Removing a spool, and what a build left in it.

use super::{At, Spool, SpoolError};
use crate::sandbox::range;
use ropewalk_model::fault::{Point, visit};
use std::path::Path;

/// Removes what the build wrote in the spool at `path`. Its files belong to the id range and can be
/// removed only from inside it, so the process must have one thread; it stays in the range.
///
/// # Errors
/// When the range cannot be entered or a file not be removed.
pub fn clean(path: &Path) -> Result<(), SpoolError> {
    let spool = Spool::open(path)?;
    if !spool.layer().exists() {
        return Ok(());
    }
    range::enter().map_err(|error| SpoolError::Range { path: path.into(), why: error.to_string() })?;
    spool.remove_layer()
}

impl Spool {
    /// Whether a build's files are still there.
    #[must_use]
    pub fn has_layer(&self) -> bool {
        self.layer().exists()
    }

    /// Removes what the build wrote. Must be called inside the id range.
    pub(crate) fn remove_layer(&self) -> Result<(), SpoolError> {
        let layer = self.layer();
        match std::fs::remove_dir_all(&layer) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &layer),
            _ => Ok(()),
        }
    }

    /// Removes the spool: the attempt is over and its end acknowledged. The layer must be gone.
    ///
    /// # Errors
    /// When a file cannot be removed; then the next start tries again.
    pub fn remove(self) -> Result<(), SpoolError> {
        visit(Point::SpoolBeforeRemove);
        std::fs::remove_dir_all(self.path()).at("remove", self.path())?;
        visit(Point::SpoolAfterRemove);
        Ok(())
    }
}
