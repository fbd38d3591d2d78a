//! What is noted about an image.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is known about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Digest of its configuration or tar.
    pub digest: String,
    /// What it came from: a path, or as [`super::Source`] writes it.
    pub source: String,
    /// When it was imported, pulled or made, in seconds since 1970.
    pub imported: u64,
    /// Bytes of its files.
    #[serde(default)]
    pub bytes: u64,
    /// Environment that the image wants for every process.
    #[serde(default)]
    pub env: Vec<(String, String)>,
    /// Digest of its manifest, if it came from a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Blobs that are kept for it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub blobs: BTreeSet<String>,
    /// Digest of all that decided what was made, if it was made from packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Where an image comes from, for its entry.
pub(super) struct Provenance {
    pub(super) source: String,
    pub(super) manifest: Option<String>,
    pub(super) blobs: BTreeSet<String>,
    pub(super) key: Option<String>,
}

impl Provenance {
    /// From a file or folder.
    pub(super) fn of(source: String) -> Provenance {
        Provenance { source, manifest: None, blobs: BTreeSet::new(), key: None }
    }
}
