//! Whether requests and builds may be sent here; if not, why.

use ropewalk_core::error::{Error, Kind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What of this process must work besides the database. A clone is another handle of the same one.
#[derive(Clone, Debug)]
pub struct Readiness {
    data: Arc<Path>,
    room: u64,
    runner: Arc<Mutex<Option<String>>>,
}

impl Readiness {
    /// All is well while the disk of `data` has `room` bytes left, until something else is told.
    pub fn new(data: &Path, room: u64) -> Readiness {
        Readiness { data: data.into(), room, runner: Arc::default() }
    }

    /// The runner of this process ended by itself: from now on the server says so.
    pub fn runner_ended(&self, why: impl std::fmt::Display) {
        *self.runner.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
    }

    /// Passes when nothing stands in the way of requests and builds.
    pub async fn check(&self) -> Result<(), Error> {
        if let Some(why) = self.runner.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Err(
                unready("the runner of this server ended, no builds are run: its log says why").because(why)
            );
        }
        let (data, room) = (PathBuf::from(&*self.data), self.room);
        // A disk that hangs must not hold other requests.
        let looked = tokio::task::spawn_blocking(move || disk(&data, room)).await;
        looked.map_err(Error::internal)?
    }
}

fn disk(data: &Path, room: u64) -> Result<(), Error> {
    let shown = data.display();
    let found = rustix::fs::statvfs(data).map_err(|error| {
        unready("the data folder cannot be looked at").because(format_args!("{shown}: {error}"))
    })?;
    let left = found.f_bavail.saturating_mul(found.f_frsize);
    if left < room {
        let why = format_args!("{shown}: {left} bytes are left, {room} are needed; make room");
        return Err(unready("the disk of the data folder is full").because(why));
    }
    Ok(())
}

fn unready(message: &str) -> Error {
    Error::new(Kind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_and_a_runner_that_ended_are_named() {
        let folder = std::env::temp_dir();
        assert!(Readiness::new(&folder, 0).check().await.is_ok());
        let full = Readiness::new(&folder, u64::MAX).check().await.unwrap_err();
        assert_eq!(full.kind, Kind::Unavailable);
        assert_eq!(full.message, "the disk of the data folder is full");
        assert!(full.to_string().contains(&*folder.to_string_lossy()), "{full}");
        let gone = Readiness::new(&folder.join("not here at all"), 0).check().await.unwrap_err();
        assert_eq!(gone.message, "the data folder cannot be looked at");
        assert!(gone.to_string().contains("not here at all"), "{gone}");
        let ended = Readiness::new(&folder, 0);
        ended.clone().runner_ended("it was told to");
        let error = ended.check().await.unwrap_err();
        assert!(error.message.contains("no builds are run") && !error.message.contains("told"), "{error}");
        assert_eq!(error.to_string(), "it was told to");
    }
}
