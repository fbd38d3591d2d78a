//! Files that jobs published.

use crate::access::Caller;
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{Artifact, BlobRef};
use ropewalk_model::ids::{ArtifactId, JobId};

/// A published file that the caller may read: made by [`Farm::open_artifact`] only.
#[derive(Clone, Debug)]
pub struct OpenArtifact {
    /// Path as the manifest names it: the build's own text.
    pub path: String,
    blob: BlobRef,
}

impl OpenArtifact {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.blob.size
    }

    /// SHA-256 in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.blob.sha256
    }
}

impl Farm {
    /// Files of a job that the caller may know of.
    pub async fn artifacts(&self, by: &Caller, job: JobId) -> Result<Vec<Artifact>, Error> {
        self.job(by, job).await?;
        Ok(self.store.artifacts(job).await?)
    }

    /// One of them, to be read.
    pub async fn open_artifact(
        &self,
        by: &Caller,
        job: JobId,
        number: ArtifactId,
    ) -> Result<OpenArtifact, Error> {
        let artifacts = self.artifacts(by, job).await?;
        let artifact = artifacts.into_iter().find(|artifact| artifact.id == number);
        let Artifact { path, size, sha256, .. } =
            artifact.ok_or_else(|| Error::missing(format_args!("artifact {number} of job {job}")))?;
        Ok(OpenArtifact { path, blob: BlobRef { sha256, size } })
    }

    /// Bytes of a file, fewer at its end.
    pub async fn read_artifact(
        &self,
        open: &OpenArtifact,
        from: u64,
        length: usize,
    ) -> Result<Vec<u8>, Error> {
        Ok(self.blobs.read(&open.blob, from, length).await?)
    }
}
