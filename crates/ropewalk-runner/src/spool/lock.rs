//! The lock: whoever holds it decides about the attempt.
//!
//! The supervisor takes it first of all, and the sandbox's init inherits it; so it is free only when
//! both are gone. An agent that gets it knows that there is no supervisor, and while it keeps it none
//! can begin.

use super::{At, Spool, SpoolError};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// The held lock; released when dropped and no copy is left.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Another descriptor of it, for a process that must be gone before the lock is free.
    pub(crate) fn copy(&self) -> Result<OwnedFd, SpoolError> {
        self.file.try_clone().map(OwnedFd::from).at("copy", Path::new("lock"))
    }
}

impl Spool {
    /// Takes the lock if it is free; never waits.
    ///
    /// # Errors
    /// [`SpoolError::Busy`] when it is held.
    pub fn lock(&self) -> Result<Lock, SpoolError> {
        let path = self.path().join("lock");
        let file = File::options().read(true).write(true).open(&path).at("open", &path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { file }),
            Err(Errno::WOULDBLOCK) => Err(SpoolError::Busy { path: self.path().into() }),
            Err(error) => Err(error).at("lock", &path),
        }
    }
}
