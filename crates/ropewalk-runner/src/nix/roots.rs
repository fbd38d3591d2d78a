//! What keeps store paths from being collected: an empty file for each, named after it, which is one of the forms that
//! Nix knows. All are links to one file, because an evaluation may need many thousands and files are slow to make.

use super::Tools;
use std::fs::{File, create_dir_all, hard_link, remove_file};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The file that they are links to. It is named after no path.
const FIRST: &str = ".root";

/// A path cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep {path} from being collected by a file in {folder}: {source}")]
pub struct RootsError {
    path: String,
    folder: PathBuf,
    source: io::Error,
}

/// Keeps these store paths, also those that are not valid yet.
///
/// # Errors
/// When a file cannot be made.
pub fn add<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a String>) -> Result<(), RootsError> {
    let folder = tools.roots();
    let mut begun = create_dir_all(&folder);
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        let made = std::mem::replace(&mut begun, Ok(())).and_then(|()| make(&folder, name));
        made.map_err(|source| RootsError { path: path.clone(), folder: folder.clone(), source })?;
    }
    Ok(())
}

fn make(folder: &Path, name: &str) -> io::Result<()> {
    let (first, file) = (folder.join(FIRST), folder.join(name));
    let made = match hard_link(&first, &file) {
        Err(error) if error.raw_os_error() == Some(libc::EMLINK) => {
            remove_file(&first)?;
            Err(ErrorKind::NotFound.into())
        }
        other => other,
    };
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            File::create(&first)?;
            // A file system may have no links.
            hard_link(&first, &file).or_else(|_| File::create(&file).map(drop))
        }
        Err(_) => File::create(&file).map(drop),
    }
}

/// Keeps these store paths no longer. What was not kept is passed over.
pub fn remove<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a String>) {
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        let _ = remove_file(tools.roots().join(name));
    }
}
