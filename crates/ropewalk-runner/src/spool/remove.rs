//! Removing a spool, and what a build left in it.

use super::{At, LAYER, Spool, SpoolError, UNFINISHED};
use crate::sandbox::range;
use crate::tree;
use ropewalk_model::fault::{Point, visit};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

/// Start of the name of a data folder that one build tries out and that is removed after it.
pub const TRIAL: &str = ".trial-";

/// Removes what the build wrote in the spool at `path`; all of a spool whose making or removal was cut short, and all of a
/// [`TRIAL`]'s folder. Files of a build belong to the id range and can be removed only from inside it, so the process must have one thread; it stays in
/// the range.
///
/// # Errors
/// When the range cannot be entered or a file not be removed.
pub fn clean(path: &Path) -> Result<(), SpoolError> {
    let path = path.canonicalize().at("find the spool", path)?;
    // This is a program's argument, and what follows removes whole trees.
    if !is_spool(&path) {
        let why = "it is no spool: a file `lock` or `plan.json` is missing".to_owned();
        return Err(SpoolError::Malformed { path, why });
    }
    let whole = is_unfinished(&path) || is_trial(&path);
    let target = if whole { path.clone() } else { path.join(LAYER) };
    if !target.exists() {
        return Ok(());
    }
    match range::enter() {
        Ok(_) => remove_tree(&target),
        // Without a range there were no files of one: what Nix builds belongs to the account itself.
        Err(error) => remove_tree(&target).map_err(|_| SpoolError::Range { path, why: error.to_string() }),
    }
}

/// Removes what of a spool's making or removal was cut short. Nobody may be making one in `folder`. `program` is this
/// one, for what belongs to the id range.
pub fn sweep_unfinished(folder: &Path, program: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_unfinished(&path) {
            continue;
        }
        // A link is not followed.
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_tree(&path).or_else(|_| clean_by(program, &path)),
            _ => std::fs::remove_file(&path).at("remove", &path),
        };
        if let Err(error) = removed {
            tracing::error!("what is left of a spool stays: {error}");
        }
    }
}

/// Whether it holds what every spool holds, or is one that was cut short, beside the lock of who works in that folder.
fn is_spool(path: &Path) -> bool {
    let holds = |folder: &Path, file: &str| folder.join(file).is_file();
    let whole = holds(path, "lock") && holds(path, "plan.json");
    let unfinished = is_unfinished(path) && path.parent().is_some_and(|folder| holds(folder, "lock"));
    whole || unfinished || is_trial(path)
}

/// Whether `ropewalk run` had it as its data folder.
fn is_trial(path: &Path) -> bool {
    is_called(path, TRIAL) && path.join("run/lock").is_file()
}

fn is_unfinished(path: &Path) -> bool {
    is_called(path, UNFINISHED)
}

fn is_called(path: &Path, start: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(start))
}

/// Lets a process of its own, which may enter the range, [`clean`] the spool or trial at `path`.
///
/// # Errors
/// When `program` cannot be started, or says why it did not.
pub fn clean_by(program: &Path, path: &Path) -> Result<(), SpoolError> {
    let mut clean = Command::new(program);
    clean.arg("clean").arg(path).stdin(Stdio::null()).stdout(Stdio::null());
    let output = clean.output().at("start", program)?;
    if output.status.success() {
        return Ok(());
    }
    let why = output.stderr.trim_ascii().escape_ascii().to_string();
    Err(SpoolError::Range { path: path.into(), why })
}

fn remove_tree(path: &Path) -> Result<(), SpoolError> {
    match tree::remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
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
        remove_tree(&self.layer())
    }

    /// Removes the spool, and by `program`, which is this one, what the build left in it.
    ///
    /// # Errors
    /// As [`Spool::remove`].
    pub fn remove_by(self, program: &Path) -> Result<(), SpoolError> {
        if self.has_layer() {
            clean_by(program, self.path())?;
        }
        self.remove()
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
        remove_tree(&gone)?;
        visit(Point::SpoolAfterRemove);
        Ok(())
    }
}
