//! An unpacked root, ready to be a sandbox's lower layer.

use super::error::Doing;
use super::{ImageError, Usr, host};
use crate::sandbox::range;
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rootfs {
    /// The name it was asked for by.
    pub name: String,
    /// Digest of its configuration or tar: `sha256:…`. A fact of the attempt.
    pub digest: String,
    /// Its root on this machine.
    pub folder: PathBuf,
    /// Environment that the image wants for every process.
    pub env: Vec<(String, String)>,
    /// How the machine's `/usr` comes in; the image `host` only.
    pub(crate) usr: Option<Usr>,
}

impl Rootfs {
    /// Whether a build can install and upgrade packages in it: not in `host` as an ordinary user.
    #[must_use]
    pub fn takes_packages(&self) -> bool {
        self.usr != Some(Usr::Plain)
    }

    /// Keeps the image from being removed as long as the result lives. To be called *before*
    /// [`crate::sandbox::range::enter`], by the process that will open sandboxes.
    ///
    /// # Errors
    /// [`ImageError::Missing`] when it was removed meanwhile.
    pub fn pin(&self) -> Result<Pinned, ImageError> {
        let gone = || ImageError::Missing { name: self.name.clone(), known: vec![] };
        let lock = File::open(&self.folder).map_err(|_| gone())?;
        flock(&lock, FlockOperation::NonBlockingLockShared).map_err(|_| gone())?;
        // Whoever removes it renames it first, while holding the lock.
        let opened = lock.metadata().doing("look at the image")?;
        match self.folder.metadata() {
            Ok(now) if (now.dev(), now.ino()) == (opened.dev(), opened.ino()) => {
                let usr = match self.usr {
                    Some(Usr::Idmapped) => Some(host::idmapped(range::find()?)?),
                    Some(Usr::Plain) | None => None,
                };
                Ok(Pinned { rootfs: self.clone(), usr, _lock: lock })
            }
            _ => Err(gone()),
        }
    }
}

/// An image that cannot be removed now.
#[derive(Debug)]
pub struct Pinned {
    rootfs: Rootfs,
    /// `/usr` with the range's ids, attached nowhere.
    usr: Option<OwnedFd>,
    _lock: File,
}

impl Pinned {
    /// The image.
    #[must_use]
    pub fn rootfs(&self) -> &Rootfs {
        &self.rootfs
    }

    /// A mount of the machine's `/usr` with the range's ids, attached nowhere.
    pub(crate) fn idmapped_usr(&self) -> Option<&OwnedFd> {
        self.usr.as_ref()
    }

    /// Its root on this machine.
    pub(crate) fn folder(&self) -> &Path {
        &self.rootfs.folder
    }
}
