//! Files that jobs published.

use crate::access::Caller;
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{Artifact, BlobRef};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropewalk_model::ids::{ArtifactId, JobId};
use std::time::Duration;

/// RFC 3986 unreserved: what needs no escape in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

    /// Where a file of a job that the caller may know of is downloaded; none once its days are over.
    pub fn artifact_url(&self, artifact: &Artifact) -> Option<String> {
        if self.is_over(artifact) {
            return None;
        }
        let name = utf8_percent_encode(artifact.name(), SEGMENT);
        Some(format!("{}/artifacts/{}/{name}", self.settings.origin, artifact.link))
    }

    /// The file that a link leads to. Whoever has the link may read it.
    pub async fn open_link(&self, link: &str, name: &str) -> Result<OpenArtifact, Error> {
        let is_link = link.len() == 32 && link.bytes().all(|byte| byte.is_ascii_hexdigit());
        let found = match is_link {
            true => self.store.artifact_by_link(link).await?,
            false => None,
        };
        let found = found.filter(|artifact| artifact.name() == name && !self.is_over(artifact));
        let Artifact { path, size, sha256, .. } = found.ok_or_else(|| Error::missing("such file"))?;
        Ok(OpenArtifact { path, blob: BlobRef { sha256, size } })
    }

    fn is_over(&self, artifact: &Artifact) -> bool {
        let days = u64::from(self.settings.requests.artifact_days);
        artifact.created.plus(Duration::from_secs(days * 24 * 3600)) < self.clock.now()
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
