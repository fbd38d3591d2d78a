//! Files that builds made, in the Nix store of the server's machine.

use super::super::StoreError;
use async_trait::async_trait;

/// What lies at a path of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NixFound {
    /// Where it lies after all links: absolute, in the store.
    pub path: String,
    /// What it is.
    pub entry: NixEntry,
}

/// A plain file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NixEntry {
    /// A plain file.
    File {
        /// Bytes.
        size: u64,
    },
    /// A folder and the names in it, sorted; a folder's name ends with a slash.
    Folder(Vec<String>),
}

/// Port for files of the Nix store. Links are followed within the store only; nothing outside of it can be named.
#[async_trait]
pub trait NixFiles: Send + Sync {
    /// What lies at an absolute path; none if that is not there, or not in the store.
    async fn find(&self, path: &str) -> Result<Option<NixFound>, StoreError>;
    /// Bytes `from..from + length` of a plain file, fewer at its end.
    async fn read(&self, path: &str, from: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}
