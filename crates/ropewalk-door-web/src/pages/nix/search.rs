//! Searching for projects, jobsets and builds.

use super::parts::{self, Row};
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::error::Error;
use ropewalk_core::port::{Jobset, Project};

/// Rows of each kind.
const ROWS: u32 = 20;
/// Bytes of what is searched for.
const TEXT_MAX: usize = 1024;

/// What was found, some of each kind.
struct Found {
    projects: Vec<Named>,
    jobsets: Vec<Named>,
    builds: Vec<Row>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    query: String,
    problem: Option<&'static str>,
    /// None where nothing was searched for.
    found: Option<Found>,
}

struct Named {
    name: String,
    address: String,
    about: String,
}

impl Found {
    fn is_empty(&self) -> bool {
        self.projects.is_empty() && self.jobsets.is_empty() && self.builds.is_empty()
    }
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let text = fields.text("query").or(fields.text("q")).unwrap_or_default();
    let problem = match text {
        text if text.len() > TEXT_MAX => Some("This is too long to be searched for."),
        text if text.chars().any(char::is_control) => Some("No name or path holds such characters."),
        _ => None,
    };
    let found = match problem.is_none() && !text.is_empty() {
        true => Some(search(&web, &frame, text).await?),
        false => None,
    };
    Ok(page(&SearchPage { query: text.into(), problem, found, frame: frame.at("projects") }))
}

async fn search(web: &Web, frame: &Frame, text: &str) -> Result<Found, Error> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let projects = farm.find_projects(by, text, ROWS).await?;
    let jobsets = farm.find_jobsets(by, text, ROWS).await?;
    let mut builds = farm.find_builds(by, text, ROWS).await?;
    let by_derivation = farm.find_builds_by_drv(by, text, ROWS).await?;
    builds.extend(by_derivation);
    builds.sort_by_key(|build| std::cmp::Reverse(build.id));
    builds.dedup_by_key(|build| build.id);
    builds.truncate(ROWS as usize);
    Ok(Found {
        projects: projects.into_iter().map(of_project).collect(),
        jobsets: jobsets.into_iter().map(of_jobset).collect(),
        builds: builds.iter().map(|build| Row::new(build, now)).collect(),
    })
}

fn of_project(project: Project) -> Named {
    let address = parts::project_address(&project.name);
    Named { name: project.fields.display_name, address, about: project.fields.description }
}

fn of_jobset(jobset: Jobset) -> Named {
    let address = parts::jobset_address(&jobset.project_name, &jobset.name);
    let name = format!("{}:{}", jobset.project_name, jobset.name);
    Named { name, address, about: jobset.fields.description }
}
