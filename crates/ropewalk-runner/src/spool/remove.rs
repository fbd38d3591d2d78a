//! Removing a spool, and what a build left in it.

use super::{At, Spool, SpoolError, UNFINISHED};
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

/// Removes what of a spool's making or removal was cut short. Nobody may be making one in `folder`.
pub fn sweep_unfinished(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
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
        match super::tree::remove(&layer) {
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
        if self.has_layer() {
            let why = "its files must go first, by `clean`".to_owned();
            return Err(SpoolError::Range { path: self.path().into(), why });
        }
        // A half removed spool must not look like one.
        let name = self.path().file_name().unwrap_or_default().display().to_string();
        let gone = self.path().with_file_name(format!("{UNFINISHED}{name}"));
        // After a removal that was cut short it has that name already.
        if self.path().exists() {
            std::fs::rename(self.path(), &gone).at("rename", self.path())?;
        }
        match std::fs::remove_dir_all(&gone) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", &gone)?,
            _ => {}
        }
        visit(Point::SpoolAfterRemove);
        Ok(())
    }
}
