//! What can go wrong with an image.

use super::RegistryError;
use crate::sandbox::SandboxError;
use std::io;
use std::path::PathBuf;

/// An image could not be found, taken in or removed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No image has this name.
    #[error(
        "there is no image `{name}`; images here: {}. Add it with: ropewalk image pull docker://HOST/NAME:TAG {name} (a registry), or: ropewalk image import PATH {name} (an OCI layout, an image archive, or the tar of a root); `ropewalk image list --known` lists names that need no more than: ropewalk image pull NAME",
        list(.known)
    )]
    Missing {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// The name is not a legal image name.
    #[error(
        "`{0}` is not an image name: use parts of a-z 0-9 . _ - joined by /, optionally :TAG, at most 128 bytes"
    )]
    Name(String),
    /// The name belongs to the machine's own image.
    #[error("`host` is this machine's own image: import under another name")]
    Reserved,
    /// Nobody can remove the machine itself.
    #[error("`host` is this machine's own system: there is nothing that could be removed")]
    Own,
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, on what.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The source is not an image.
    #[error("{path} is no image: {why}")]
    NotAnImage {
        /// File or folder that was to be imported.
        path: PathBuf,
        /// What is missing or malformed.
        why: String,
    },
    /// Unpacking failed inside the id range, or the image was refused there.
    #[error("could not unpack the image: {0}")]
    Unpack(String),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Debian's packages.
    #[error("could not make the image from packages: {0}")]
    Bootstrap(String),
    /// The process that fetches says so.
    #[error("{0}")]
    Fetch(String),
    /// The image is in use.
    #[error("the image `{0}` is used by a running build: try again when it has ended")]
    InUse(String),
    /// The id range cannot be entered.
    #[error(transparent)]
    Range(#[from] SandboxError),
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "none".into() } else { known.join(", ") }
}

/// Adds what was tried to a failed file operation.
pub(super) trait Doing<T> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T, ImageError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T, ImageError> {
        self.map_err(|e| ImageError::Io { what: what.to_string(), source: e.into() })
    }
}
