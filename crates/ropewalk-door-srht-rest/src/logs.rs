//! Bytes of logs at addresses that stand in jobs. Like the runners' of upstream they need no token, where the job is
//! known to whoever has its number.

use crate::answer::Failed;
use crate::jobs::find;
use crate::parts::{Anybody, Number, Task};
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_http::logs::answer;
use ropewalk_model::ids::JobId;
use ropewalk_model::link::LogName;
use std::sync::Arc;

/// Address of a job's own log.
pub(crate) fn setup_url(farm: &Farm, job: JobId) -> String {
    format!("{}/api/jobs/{job}/log", farm.settings().origin)
}

/// Address of a task's log. Names of tasks need no escapes.
pub(crate) fn task_url(farm: &Farm, job: JobId, task: &str) -> String {
    format!("{}/api/jobs/{job}/tasks/{task}/log", farm.settings().origin)
}

pub(crate) async fn setup(
    State(farm): State<Arc<Farm>>,
    Anybody(by): Anybody,
    Number(job): Number,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let job = begun(&farm, &by, job).await?;
    let open = farm.open_log(&by, job, LogName::Setup).await?;
    Ok(answer(&farm, open, &headers).await?)
}

pub(crate) async fn task(
    State(farm): State<Arc<Farm>>,
    Anybody(by): Anybody,
    Task(job, task): Task,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let job = begun(&farm, &by, job).await?;
    let open = farm.open_step_log(&by, job, &task).await?;
    Ok(answer(&farm, open, &headers).await?)
}

/// A job that has logs: one that a runner has taken.
async fn begun(farm: &Farm, by: &Caller, number: i64) -> Result<JobId, Error> {
    let job = find(farm, by, number).await?;
    match job.runner {
        Some(_) => Ok(job.id),
        None => Err(Error::missing(format_args!("log of job {number} yet: no runner has taken it"))),
    }
}
