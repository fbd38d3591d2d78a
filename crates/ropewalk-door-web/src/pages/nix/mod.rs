//! Projects of Nix at the addresses of Hydra: who asks these for JSON is answered by that dialect's own door.

mod build;
mod evaluation;
mod evaluations;
mod job;
mod jobset;
mod orders;
mod parts;
mod projects;
mod search;

use crate::Web;
use ropewalk_http::routes::Routes;

/// What has an address of ours alone.
pub(super) fn own() -> Routes<Web> {
    Routes::default()
        .get("/-/projects", projects::list)
        .post("/-/jobset/{project}/{jobset}/evaluate", orders::evaluate)
        .post("/-/eval/{evaluation}/{order}", orders::of_evaluation)
        .post("/-/build/{build}/{order}", orders::of_build)
}

/// Pages of projects, jobsets, jobs, evaluations and builds.
pub(super) fn routes() -> Routes<Web> {
    Routes::default()
        .get("/project/{project}", projects::show)
        .get("/jobset/{project}/{jobset}", jobset::show)
        .get("/jobset/{project}/{jobset}/evals", jobset::show)
        .get("/job/{project}/{jobset}/{job}", job::show)
        .get("/evals", evaluations::show)
        .get("/eval/{evaluation}", evaluation::show)
        .get("/build/{build}", build::show)
        .get("/search", search::show)
}
