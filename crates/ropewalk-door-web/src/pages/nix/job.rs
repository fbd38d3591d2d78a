//! A job of a jobset: its builds over time.

use super::jobset::{Found, find};
use super::parts::{self, Crumbs, Row};
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::error::Error;
use ropewalk_core::port::{BuildFilter, BuildProgress};
use ropewalk_http::parts::Address;

/// Builds of one page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "nix-job.html")]
struct JobPage {
    frame: Frame,
    crumbs: Crumbs,
    name: String,
    address: String,
    /// The newest build that succeeded.
    latest: Option<i64>,
    rows: Vec<Row>,
    is_first: bool,
    older: Option<i64>,
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address((project, jobset, name)): Address<(String, String, String)>,
    fields: Fields,
) -> Result<Response, Failure> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let jobset = match find(&web, by, &project, &jobset).await? {
        Found::Here(jobset) => *jobset,
        Found::Renamed(new) => {
            let address = parts::job_address(&project, &new, &name);
            return Ok(parts::lead(StatusCode::MOVED_PERMANENTLY, &address));
        }
    };
    let (project, jobset) = (jobset.project_name, jobset.name);
    let filter = BuildFilter {
        project: Some(project.clone()),
        jobset: Some(jobset.clone()),
        job: Some(name.clone()),
        ..BuildFilter::default()
    };
    let before = fields.number::<i64>("before");
    let mut builds = farm.newest_nix_builds(by, &filter, before, ROWS + 1).await?;
    if builds.is_empty() && before.is_none() {
        let shown: String = name.chars().take(64).collect();
        return Err(Error::missing(format_args!("job {shown:?} in the jobset {project}:{jobset}")).into());
    }
    let has_more = builds.len() > ROWS as usize;
    builds.truncate(ROWS as usize);
    let succeeded = BuildFilter { state: BuildProgress::Succeeded, ..filter };
    let latest = farm.newest_nix_builds(by, &succeeded, None, 1).await?;
    Ok(page(&JobPage {
        crumbs: parts::of_jobset(&project, &jobset),
        address: parts::job_address(&project, &jobset, &name),
        latest: latest.first().map(|build| build.id),
        rows: builds.iter().map(|build| Row::new(build, now)).collect(),
        is_first: before.is_none(),
        older: builds.last().filter(|_| has_more).map(|last| last.id),
        name,
        frame: frame.at("projects"),
    }))
}
