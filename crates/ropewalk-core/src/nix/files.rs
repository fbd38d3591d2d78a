//! Files that builds made.

use crate::error::Error;
use crate::farm::Farm;
use crate::port::{NixFiles, NixFound};
use std::sync::Arc;

impl Farm {
    /// With a Nix store to read from.
    #[must_use]
    pub fn with_nix_files(self, files: Arc<dyn NixFiles>) -> Farm {
        Farm { nix_files: Some(files), ..self }
    }

    /// What lies at an absolute path of the Nix store; none if nothing does, or there is no store here. Whether the
    /// caller may know of the path is not asked.
    pub async fn nix_found(&self, path: &str) -> Result<Option<NixFound>, Error> {
        match &self.nix_files {
            Some(files) => Ok(files.find(path).await?),
            None => Ok(None),
        }
    }

    /// Bytes `from..from + length` of a plain file of the Nix store, fewer at its end.
    pub async fn nix_bytes(&self, path: &str, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        match &self.nix_files {
            Some(files) => Ok(files.read(path, from, length).await?),
            None => Ok(vec![]),
        }
    }
}
