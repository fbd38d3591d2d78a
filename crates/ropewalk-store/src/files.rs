//! What blobs and logs both do with files: off the runtime's threads, durably, with errors that name the path.

use ropewalk_core::port::StoreError;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| {
        Err(StoreError::Unavailable { tried: "finish its work on files".into(), reason: e.to_string() })
    })
}

/// The port's error for a failed call on `path`. `tried` is a verb.
pub(crate) fn failed(tried: &str, path: &Path) -> impl Fn(io::Error) -> StoreError {
    let tried = format!("{tried} {}", path.display());
    move |e| {
        let full = matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let reason = if full { format!("{e}: free some space there") } else { e.to_string() };
        StoreError::Unavailable { tried: tried.clone(), reason }
    }
}

/// Makes a folder and those above it, durably.
pub(crate) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    match std::fs::create_dir(folder) {
        Ok(()) => sync_parent(folder),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(e)
            if e.kind() == ErrorKind::NotFound && folder.parent().is_some_and(|up| up != Path::new("")) =>
        {
            folder.parent().map_or(Ok(()), create_folder)?;
            create_folder(folder)
        }
        Err(e) => Err(failed("make", folder)(e)),
    }
}

/// Makes the name of a file durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match File::open(folder) {
        // Without the folder there is no name to keep.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        opened => opened.and_then(|folder| folder.sync_all()).map_err(failed("sync", folder)),
    }
}
