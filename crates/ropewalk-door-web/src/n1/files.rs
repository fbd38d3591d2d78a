//! Files that jobs published.

use super::view::ArtifactView;
use crate::Web;
use crate::answer::{Failed, Refusal};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ropewalk_core::artifacts::OpenArtifact;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_http::files;
use ropewalk_http::parts::{Address, By};
use ropewalk_model::ids::{ArtifactId, JobId};
use std::sync::Arc;

pub(crate) struct ArtifactBytes {
    pub(crate) farm: Arc<Farm>,
    pub(crate) open: OpenArtifact,
}

impl files::Source for ArtifactBytes {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.farm.read_artifact(&self.open, from, length).await
    }
}

/// A job's published files.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/artifacts", tag = "jobs", params(("job" = i64, Path)),
    security((), ("token" = [])), responses((status = 200, body = [ArtifactView]), (status = 404, body = Refusal)))]
pub(crate) async fn list(
    State(web): State<Web>,
    By(by): By,
    Address(job): Address<JobId>,
) -> Result<Json<Vec<ArtifactView>>, Failed> {
    Ok(Json(web.farm.artifacts(&by, job).await?.into_iter().map(Into::into).collect()))
}

/// Downloads a published file. Takes a byte range.
#[utoipa::path(get, path = "/api/n1/jobs/{job}/artifacts/{artifact}", tag = "jobs",
    params(("job" = i64, Path), ("artifact" = i64, Path)), security((), ("token" = [])), responses(
    (status = 200, body = [u8], content_type = "application/octet-stream"),
    (status = 206, body = [u8], content_type = "application/octet-stream"),
    (status = 404, body = Refusal),
    (status = 416, description = "Bytes that are not there"),
))]
pub(crate) async fn read(
    State(web): State<Web>,
    By(by): By,
    Address((job, artifact)): Address<(JobId, ArtifactId)>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let open = web.farm.open_artifact(&by, job, artifact).await?;
    let (size, path) = (open.size(), open.path.clone());
    let source = ArtifactBytes { farm: web.farm.clone(), open };
    let mut response = files::answer(&headers, size, "application/octet-stream", source);
    files::attach(&mut response, &path);
    Ok(response)
}
