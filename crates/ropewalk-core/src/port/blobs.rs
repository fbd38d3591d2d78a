//! Finished bytes under the name of their content.

use super::StoreError;
use async_trait::async_trait;
use std::path::Path;

/// Where a finished log or artifact lies.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlobRef {
    /// SHA-256 of the raw bytes, hexadecimal.
    pub sha256: String,
    /// Raw bytes.
    pub size: u64,
}

/// Port for blobs. The truth about which exist is in the database.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a file's bytes durably; doing it again is harmless. The file stays.
    async fn put_file(&self, path: &Path) -> Result<BlobRef, StoreError>;
    /// Raw bytes `from..from + length` of a blob, fewer at its end.
    async fn read(&self, blob: &BlobRef, from: u64, length: usize) -> Result<Vec<u8>, StoreError>;
    /// Removes a blob that nothing refers to any more.
    async fn remove(&self, sha256: &str) -> Result<(), StoreError>;
}
