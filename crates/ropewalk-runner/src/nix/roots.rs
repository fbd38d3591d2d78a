//! Links that keep store paths from being collected, one for each, named after it.

use super::Tools;
use std::fs::{create_dir_all, remove_file};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// A link cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep {path} from being collected by a link in {folder}: {source}")]
pub struct RootsError {
    path: String,
    folder: PathBuf,
    source: std::io::Error,
}

/// Keeps these store paths, also those that are not valid yet.
///
/// # Errors
/// When a link cannot be made.
pub fn add<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a String>) -> Result<(), RootsError> {
    let folder = tools.roots();
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        let made = create_dir_all(&folder).and_then(|()| symlink(path, folder.join(name)));
        match made {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(RootsError { path: path.clone(), folder, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Keeps these store paths no longer. What has no link is passed over.
pub fn remove<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a String>) {
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        let _ = remove_file(tools.roots().join(name));
    }
}
