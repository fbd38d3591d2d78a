//! Finished bytes under the name of their content.

use super::StoreError;
use async_trait::async_trait;
use std::path::Path;
use std::time::Duration;

/// Where a finished log or artifact lies.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the raw bytes, hexadecimal.
    pub sha256: String,
    /// Raw bytes.
    pub size: u64,
}

/// A place in bytes, and how many newlines stand before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Landmark {
    /// Bytes before it.
    pub offset: u64,
    /// Newlines among them.
    pub newlines: u64,
}

/// What a landmark is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// This byte; the end, if there are fewer.
    Offset(u64),
    /// The byte after so many newlines; the end, if there are fewer.
    Newlines(u64),
}

/// Bytes from a landmark to the next one, at most.
pub const LANDMARKS_EVERY: u64 = 1 << 20;

/// Port for blobs. The truth about which exist is in the database.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a file's bytes durably; doing it again is harmless. The file stays.
    async fn put_file(&self, path: &Path) -> Result<BlobRef, StoreError>;
    /// Raw bytes `from..from + length` of a blob, fewer at its end.
    async fn read(&self, blob: &BlobRef, from: u64, length: usize) -> Result<Vec<u8>, StoreError>;
    /// The last landmark at or before a place: at most [`LANDMARKS_EVERY`] bytes before it, without reading what stands
    /// before.
    async fn landmark(&self, blob: &BlobRef, seek: Seek) -> Result<Landmark, StoreError>;
    /// Whether a blob is there. If it is, it is as young as if it was put now.
    async fn renew(&self, blob: &BlobRef) -> Result<bool, StoreError>;
    /// Looks at the next part of all blobs and removes those that nothing refers to and nobody put or renewed for so
    /// long. Whoever refers to a blob puts or renews it right before. Answers how many are gone.
    async fn collect(&self, unused_for: Duration) -> Result<usize, StoreError>;
}
