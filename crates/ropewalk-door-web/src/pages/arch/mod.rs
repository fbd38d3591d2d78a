//! Repositories of packages, and the targets that are built into them.

mod parts;
mod repositories;
mod repository;
mod target;
mod targets;

use crate::Web;
use ropewalk_http::routes::Routes;

/// All of these pages.
pub(super) fn routes() -> Routes<Web> {
    Routes::default()
        .get("/-/repositories", repositories::show)
        .get("/-/repositories/{repository}", repository::show)
        .get("/-/targets", targets::show)
        .get("/-/targets/{target}", target::show)
        .post("/-/targets/{target}/build", target::build)
}
