//! What an agent finds when it starts.

use super::AgentError;
use crate::spool::{Spool, sweep_unfinished};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// Held while an agent works in the folder.
#[derive(Debug)]
pub(super) struct Alone {
    _file: File,
}

/// How long an agent that was killed may still hold the folder: a process that it was just starting
/// has its descriptors until it is another program.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes sure that there is one agent, and removes spools that were never finished.
pub(super) async fn enter(spools: &Path, program: &Path) -> Result<Alone, AgentError> {
    let failed = |what| move |source| AgentError::Spools { what, path: spools.into(), source };
    std::fs::create_dir_all(spools).map_err(failed("create"))?;
    let file = File::create(spools.join("lock")).map_err(failed("lock"))?;
    let until = Instant::now() + PATIENCE;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= until {
            return Err(AgentError::Busy { path: spools.into() });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (folder, program) = (spools.to_owned(), program.to_owned());
    // The lock goes with the sweep: nobody else may make a spool meanwhile, also if this is no longer waited for.
    let swept = tokio::task::spawn_blocking(move || {
        sweep_unfinished(&folder, &program);
        file
    });
    let file = swept.await.map_err(std::io::Error::other).map_err(failed("sweep"))?;
    Ok(Alone { _file: file })
}

/// All spools that this program understands; the others are left alone and named in the log.
pub(super) fn find(spools: &Path) -> Vec<Spool> {
    let mut found = vec![];
    for entry in std::fs::read_dir(spools).into_iter().flatten().flatten() {
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if hidden || !entry.path().is_dir() {
            continue;
        }
        match Spool::open(&entry.path()) {
            Ok(spool) => found.push(spool),
            Err(error) => tracing::error!("a spool is left alone: {error}"),
        }
    }
    found
}
