//! Resources as this dialect shows them.

use crate::logs;
use ropewalk_core::farm::Farm;
use ropewalk_core::port;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Step};
use ropewalk_model::time::Time;
use serde::Serialize;

/// A job.
#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    id: i64,
    status: String,
    /// Null while no runner has taken the job.
    setup_log: Option<String>,
    tasks: Vec<TaskView>,
    note: Option<String>,
    runner: Option<String>,
    /// One text, joined by slashes; null without any.
    tags: Option<String>,
    owner: OwnerView,
}

#[derive(Debug, Serialize)]
struct TaskView {
    name: String,
    status: String,
    /// Null while no runner has taken the job.
    log: Option<String>,
}

#[derive(Debug, Serialize)]
struct OwnerView {
    canonical_name: String,
    name: String,
}

impl OwnerView {
    fn new(name: &str) -> OwnerView {
        OwnerView { canonical_name: format!("~{name}"), name: name.into() }
    }
}

impl JobView {
    pub(crate) fn new(farm: &Farm, job: &Job, steps: Vec<Step>) -> JobView {
        let begun = job.runner.is_some();
        let task = |step: Step| TaskView {
            log: begun.then(|| logs::task_url(farm, job.id, &step.name)),
            name: step.name,
            status: step.status.to_string(),
        };
        JobView {
            id: job.id.0,
            status: job.status.to_string(),
            setup_log: begun.then(|| logs::setup_url(farm, job.id)),
            tasks: steps.into_iter().map(task).collect(),
            note: job.note.clone(),
            runner: job.runner.clone(),
            tags: (!job.tags.is_empty()).then(|| job.tags.join("/")),
            owner: OwnerView::new(&job.owner_name),
        }
    }
}

/// A published file.
#[derive(Debug, Serialize)]
pub(crate) struct ArtifactView {
    id: i64,
    created: String,
    /// As the manifest names it.
    path: String,
    /// The last part of the path.
    name: String,
    /// Null once its days are over.
    url: Option<String>,
    /// Bytes.
    size: u64,
}

impl ArtifactView {
    pub(crate) fn new(farm: &Farm, artifact: &port::Artifact) -> ArtifactView {
        ArtifactView {
            id: artifact.id.0,
            created: timestamp(artifact.created),
            name: artifact.name().into(),
            url: farm.artifact_url(artifact),
            size: artifact.size,
            path: artifact.path.clone(),
        }
    }
}

/// A group of jobs.
#[derive(Debug, Serialize)]
pub(crate) struct GroupView {
    id: i64,
    note: Option<String>,
    owner: OwnerView,
    jobs: Vec<MemberView>,
}

#[derive(Debug, Serialize)]
struct MemberView {
    id: i64,
    status: String,
}

impl GroupView {
    /// All jobs of a group have its owner, and there is one at least.
    pub(crate) fn new(group: &port::Group, jobs: &[Job]) -> GroupView {
        let owner = jobs.first().map(|job| job.owner_name.as_str()).unwrap_or_default();
        let member = |job: &Job| {
            let JobId(id) = job.id;
            MemberView { id, status: job.status.to_string() }
        };
        GroupView {
            id: group.id.0,
            note: group.note.clone(),
            owner: OwnerView::new(owner),
            jobs: jobs.iter().map(member).collect(),
        }
    }
}

/// `YYYY-MM-DDTHH:MM:SS+00:00`.
fn timestamp(at: Time) -> String {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        Err(_) => at.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_whole_seconds_and_a_zone_of_digits() {
        assert_eq!(timestamp(Time(1_782_900_000_999_999)), "2026-07-01T10:00:00+00:00");
    }
}
