//! `/api/jobs`: submit, list, show, start, cancel.

use crate::answer::Failed;
use crate::body::Body;
use crate::fields::{Fields, start as start_of};
use crate::list::{PER_PAGE, Part};
use crate::parts::{Anybody, Number, Reader, Writer};
use crate::view::JobView;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::farm::Farm;
use ropewalk_core::jobs::JobQuery;
use ropewalk_core::submit::Request;
use ropewalk_http::files;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, JobKind, Visibility};
use ropewalk_model::status::JobStatus;
use serde_json::{Value, json};
use std::sync::Arc;

/// A job that the caller may know of.
pub(crate) async fn find(farm: &Farm, by: &Caller, number: i64) -> Result<Job, Error> {
    farm.job_of(by, JobKind::Srht, JobId(number)).await
}

async fn view(farm: &Farm, by: &Caller, job: &Job) -> Result<JobView, Error> {
    let steps = farm.steps(by, job.id).await?;
    Ok(JobView::new(farm, job, steps))
}

/// The caller's own jobs.
pub(crate) async fn list(
    State(farm): State<Arc<Farm>>,
    Reader(by): Reader,
    RawQuery(query): RawQuery,
) -> Result<Json<Part<JobView>>, Failed> {
    let before = start_of(query.as_deref())?.map(|start| start.saturating_add(1));
    let owner = access::owner(&by)?;
    let query =
        JobQuery { owner: Some(owner.name.clone()), kind: Some(JobKind::Srht), ..JobQuery::default() };
    let total = farm.count_jobs(&by, JobKind::Srht).await?;
    let page = farm.jobs(&by, query, before, PER_PAGE + 1).await?;
    let jobs = page.items.into_iter().map(Arc::new).collect();
    let part = Part::new(jobs, total, |job: &Arc<Job>| job.id.0);
    let mut steps = farm.steps_of(&by, &part.results).await?;
    let view = |job: &Arc<Job>| JobView::new(&farm, job, steps.remove(&job.id).unwrap_or_default());
    let views = part.results.iter().map(view).collect();
    Ok(Json(part.with(views)))
}

/// Makes a job of a manifest and, unless told otherwise, queues it.
pub(crate) async fn submit(
    State(farm): State<Arc<Farm>>,
    Writer(by): Writer,
    body: Body,
) -> Result<Json<JobView>, Failed> {
    let job = farm.submit(&by, wanted(body)?).await.map_err(Failed::of_body)?;
    Ok(Json(view(&farm, &by, &job).await?))
}

fn wanted(body: Body) -> Result<Request, Failed> {
    let mut fields = Fields::new(body);
    let request = Request {
        manifest: fields.required_text("manifest"),
        note: fields.text("note"),
        tags: fields.texts("tags"),
        visibility: Visibility::Unlisted,
        secrets: fields.flag("secrets"),
        execute: fields.flag("execute").unwrap_or(true),
    };
    if let Some(tag) = request.tags.iter().find(|tag| !is_tag(tag)) {
        let tag: String = tag.chars().take(40).collect();
        fields.fault("tags", format!("{tag:?} is no tag: use letters, digits, and any of \"-_.\""));
    }
    fields.done()?;
    Ok(request)
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// One job.
pub(crate) async fn show(
    State(farm): State<Arc<Farm>>,
    Reader(by): Reader,
    Number(number): Number,
) -> Result<Json<JobView>, Failed> {
    let job = find(&farm, &by, number).await?;
    Ok(Json(view(&farm, &by, &job).await?))
}

struct Manifest(String);

impl files::Source for Manifest {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let bytes = self.0.as_bytes();
        let to = from.saturating_add(length).min(bytes.len());
        Ok(bytes.get(from..to).unwrap_or_default().to_vec())
    }
}

/// The manifest, byte for byte. Needs no token where the job is known to whoever has its number.
pub(crate) async fn manifest(
    State(farm): State<Arc<Farm>>,
    Anybody(by): Anybody,
    Number(number): Number,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    find(&farm, &by, number).await?;
    let manifest = farm.manifest(&by, JobId(number)).await?;
    let size = manifest.len() as u64;
    Ok(files::answer(&headers, size, "text/plain; charset=utf-8", Manifest(manifest)))
}

/// Queues a pending job.
pub(crate) async fn start(
    State(farm): State<Arc<Farm>>,
    Writer(by): Writer,
    Number(number): Number,
) -> Result<Json<Value>, Failed> {
    let number = find(&farm, &by, number).await?.id;
    match farm.start(&by, number).await {
        Ok(_) => Ok(Json(json!({}))),
        Err(error) if error.kind == Kind::Refused => {
            let status = farm.job(&by, number).await?.status;
            Err(Error::new(Kind::Refused, format!("This job is already {}", stage(status))).into())
        }
        Err(error) => Err(Failed::of_change(error)),
    }
}

/// How far a job has come, in upstream's words.
fn stage(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "started",
        JobStatus::Queued => "queued",
        JobStatus::Running => "running",
        JobStatus::Success | JobStatus::Failed | JobStatus::Timeout | JobStatus::Cancelled => "complete",
    }
}

/// Ends a job.
pub(crate) async fn cancel(
    State(farm): State<Arc<Farm>>,
    Writer(by): Writer,
    Number(number): Number,
) -> Result<Json<Value>, Failed> {
    let number = find(&farm, &by, number).await?.id;
    farm.cancel(&by, number).await.map_err(Failed::of_change)?;
    Ok(Json(json!({})))
}

#[cfg(test)]
mod tests {
    use super::is_tag;

    #[test]
    fn tags_are_words() {
        assert!(["a", "A1", "x.y-z_0", "."].into_iter().all(is_tag));
        assert!(!["", "a b", "a/b", "ä", "a\n", "\0"].into_iter().any(is_tag));
    }
}
