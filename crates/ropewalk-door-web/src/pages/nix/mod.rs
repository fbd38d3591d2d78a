//! Projects of Nix at the addresses of Hydra: who asks these for JSON is answered by that dialect's own door.

mod build;
mod evaluation;
mod jobset;
mod parts;
mod projects;

use crate::Web;
use ropewalk_http::routes::Routes;

pub(super) use projects::list;

/// Pages of projects, jobsets, evaluations and builds.
pub(super) fn routes() -> Routes<Web> {
    Routes::default()
        .get("/project/{project}", projects::show)
        .get("/jobset/{project}/{jobset}", jobset::show)
        .get("/jobset/{project}/{jobset}/evals", jobset::show)
        .get("/eval/{evaluation}", evaluation::show)
        .get("/build/{build}", build::show)
}
