//! Projects and their jobsets.

use super::parts::{self, Crumbs};
use crate::Web;
use crate::pages::addresses;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::{self, Status, When};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::port::{Counts, Enabled, Jobset, Project};
use ropewalk_http::parts::Address;
use ropewalk_model::time::Time;

/// Projects or jobsets of one page.
const ROWS: usize = 100;

#[derive(Template)]
#[template(path = "nix-projects.html")]
struct ProjectsPage {
    frame: Frame,
    /// Address of this server.
    origin: String,
    rows: Vec<Listed>,
    is_first: bool,
    next: Option<String>,
}

/// A project in the list.
struct Listed {
    name: String,
    address: String,
    display_name: String,
    description: String,
    owner: String,
    owner_address: String,
    jobsets: usize,
    is_off: bool,
    is_hidden: bool,
}

#[derive(Template)]
#[template(path = "nix-project.html")]
struct ProjectPage {
    frame: Frame,
    crumbs: Crumbs,
    address: String,
    project: Project,
    owner_address: String,
    rows: Vec<Row>,
    is_first: bool,
    next: Option<String>,
}

impl ProjectPage {
    fn homepage(&self) -> Option<&str> {
        show::web_address(&self.project.fields.homepage)
    }
}

/// A jobset in the list of its project.
struct Row {
    name: String,
    address: String,
    description: String,
    is_off: bool,
    is_hidden: bool,
    is_wrong: bool,
    is_evaluated: bool,
    tally: Vec<(Status, i64)>,
    checked: Option<When>,
}

/// All projects; hidden ones only for those who may change them.
pub(super) async fn list(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let mut projects = web.farm.projects(&frame.by).await?;
    projects.retain(|project| is_shown(&frame.by, project));
    let after = fields.text("after");
    let (projects, next) = parts::behind(projects, after, ROWS, |project| &project.name);
    let rows = projects.into_iter().map(listed).collect();
    let origin = web.farm.settings().origin.clone();
    Ok(page(&ProjectsPage { origin, rows, is_first: after.is_none(), next, frame: frame.at("projects") }))
}

fn is_shown(by: &Caller, project: &Project) -> bool {
    !project.fields.is_hidden || access::change_project(by, project).is_ok()
}

fn listed(project: Project) -> Listed {
    Listed {
        address: parts::project_address(&project.name),
        display_name: project.fields.display_name,
        description: project.fields.description,
        owner_address: addresses::of_person(&project.owner_name),
        owner: project.owner_name,
        jobsets: project.jobsets.len(),
        is_off: !project.fields.is_enabled,
        is_hidden: project.fields.is_hidden,
        name: project.name,
    }
}

/// A project with its jobsets.
pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address(name): Address<String>,
    fields: Fields,
) -> Result<Response, Failure> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let project = farm.project(by, &name).await?;
    let after = fields.text("after");
    let all = farm.jobsets(by, &project.name).await?;
    let (jobsets, next) = parts::behind(all, after, ROWS, |jobset| &jobset.name);
    let numbers: Vec<i64> = jobsets.iter().map(|jobset| jobset.id).collect();
    let counts = farm.jobset_counts(by, &numbers).await?;
    let of = |jobset: &Jobset| counts.get(&jobset.id).copied().unwrap_or_default();
    let page_of = ProjectPage {
        crumbs: parts::top(),
        address: parts::project_address(&project.name),
        owner_address: addresses::of_person(&project.owner_name),
        rows: jobsets.iter().map(|jobset| row(jobset, of(jobset), now)).collect(),
        is_first: after.is_none(),
        next,
        project,
        frame: frame.at("projects"),
    };
    Ok(page(&page_of))
}

fn row(jobset: &Jobset, counts: Counts, now: Time) -> Row {
    let (fields, progress) = (&jobset.fields, &jobset.progress);
    Row {
        name: jobset.name.clone(),
        address: parts::jobset_address(&jobset.project_name, &jobset.name),
        description: fields.description.clone(),
        is_off: fields.enabled == Enabled::Off,
        is_hidden: fields.is_hidden,
        is_wrong: !progress.error.is_empty() || progress.fetch_error.is_some(),
        is_evaluated: progress.started.is_some(),
        tally: parts::tally(counts),
        checked: progress.checked.map(|at| When::new(at, now)),
    }
}
