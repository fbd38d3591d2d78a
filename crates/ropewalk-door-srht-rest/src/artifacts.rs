//! `/api/jobs/N/artifacts`.

use crate::answer::Failed;
use crate::fields::start;
use crate::jobs::find;
use crate::list::Part;
use crate::parts::{Number, Reader};
use crate::view::ArtifactView;
use axum::Json;
use axum::extract::{RawQuery, State};
use ropewalk_core::farm::Farm;
use ropewalk_core::port::Artifact;
use std::sync::Arc;

/// Files that a job published.
pub(crate) async fn list(
    State(farm): State<Arc<Farm>>,
    Reader(by): Reader,
    Number(number): Number,
    RawQuery(query): RawQuery,
) -> Result<Json<Part<ArtifactView>>, Failed> {
    let start = start(query.as_deref())?;
    let job = find(&farm, &by, number).await?;
    let mut artifacts = farm.artifacts(&by, job.id).await?;
    let total = artifacts.len() as u64;
    artifacts.sort_by_key(|artifact| std::cmp::Reverse(artifact.id));
    artifacts.retain(|artifact| start.is_none_or(|start| artifact.id.0 <= start));
    let part = Part::new(artifacts, total, |artifact: &Artifact| artifact.id.0);
    let views = part.results.iter().map(|artifact| ArtifactView::new(&farm, artifact)).collect();
    Ok(Json(part.with(views)))
}
