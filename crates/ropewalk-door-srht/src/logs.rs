//! `/query/log/…`: the bytes of logs, in the ranges that `hut` asks for.

use crate::answer::Failed;
use crate::door::Door;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::CONTENT_RANGE;
use http::{HeaderMap, HeaderValue, StatusCode};
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::OpenLog;
use ropewalk_http::files;
use ropewalk_http::logs::{CONTENT_TYPE, LogBytes};
use ropewalk_http::range::{Wanted, wanted};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::JobKind;
use ropewalk_model::link::LogName;
use std::sync::Arc;

/// Address of a job's own log.
pub(crate) fn setup_url(farm: &Farm, job: JobId) -> String {
    format!("{}/query/log/{job}/log", farm.settings().origin)
}

/// Address of a task's log. Names of tasks need no escapes.
pub(crate) fn task_url(farm: &Farm, job: JobId, task: &str) -> String {
    format!("{}/query/log/{job}/{task}/log", farm.settings().origin)
}

pub(crate) async fn setup(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let job = begun(&door.farm, &caller, &job).await?;
    let open = door.farm.open_log(&caller, job, LogName::Setup).await?;
    answer(&door.farm, open, &headers).await
}

pub(crate) async fn task(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Path((job, task)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let job = begun(&door.farm, &caller, &job).await?;
    let open = door.farm.open_step_log(&caller, job, &task).await?;
    answer(&door.farm, open, &headers).await
}

/// A job that has logs: one that a runner has taken.
async fn begun(farm: &Farm, caller: &Caller, number: &str) -> Result<JobId, Failed> {
    access::member(caller)?;
    let number: JobId =
        number.parse().map_err(|_| Error::malformed(format!("{number:?} is no number of a job")))?;
    let job = farm.job_of(caller, JobKind::Srht, number).await?;
    match job.runner {
        Some(_) => Ok(number),
        None => Err(Error::missing(format_args!("log of job {number} yet: no runner has taken it")).into()),
    }
}

async fn answer(farm: &Arc<Farm>, open: OpenLog, headers: &HeaderMap) -> Result<Response, Failed> {
    let size = farm.read_log(open, 0, 0).await?.size;
    let source = LogBytes { farm: farm.clone(), open };
    if size > 0 || wanted(headers, size) != Wanted::Unsatisfiable {
        return Ok(files::answer(headers, size, CONTENT_TYPE, source));
    }
    // hut ends with an error at any other answer to a range of a log that has no byte yet.
    let mut response = files::answer(&HeaderMap::new(), 0, CONTENT_TYPE, source);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response.headers_mut().insert(CONTENT_RANGE, HeaderValue::from_static("bytes 0-0/0"));
    Ok(response)
}
