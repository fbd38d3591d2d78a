//! Addresses of this door.

use crate::answer::Failed;
use crate::{artifacts, groups, jobs, logs};
use axum::Router;
use http::Method;
use ropewalk_core::farm::Farm;
use ropewalk_http::refusal;
use ropewalk_http::routes::{Route, Routes};
use std::sync::Arc;

/// First words of this door's addresses.
const JOBS: &str = "/api/jobs";
const GROUPS: &str = "/api/job-group";

/// All addresses of this door.
pub fn door(farm: Arc<Farm>) -> Router {
    table().into_router().with_state(farm)
}

/// The route table of this door.
pub fn routes() -> Vec<Route> {
    table().into_table()
}

fn table() -> Routes<Arc<Farm>> {
    let jobs = Routes::default()
        .get("/", jobs::list)
        .post("/", jobs::submit)
        .get("/{job}", jobs::show)
        .get("/{job}/artifacts", artifacts::list)
        .get("/{job}/manifest", jobs::manifest)
        .post("/{job}/start", jobs::start)
        .post("/{job}/cancel", jobs::cancel)
        .get("/{job}/log", logs::setup)
        .get("/{job}/tasks/{task}/log", logs::task);
    let groups = Routes::default()
        .post("/", groups::create)
        .get("/{group}", groups::show)
        .post("/{group}/start", groups::start)
        .post("/{group}/cancel", groups::cancel);
    // Each answers for itself whatever else begins like it: the doors share one fallback, which is another's.
    let alone =
        |routes: Router<Arc<Farm>>| routes.fallback(nothing_here).method_not_allowed_fallback(wrong_method);
    Routes::default()
        .nest(JOBS, jobs.around(alone))
        .nest(GROUPS, groups.around(alone))
        .any("/api/jobs/", nothing_here)
        .any("/api/job-group/", nothing_here)
}

/// Whether this door answers at an address.
pub fn owns(path: &str) -> bool {
    ["/api/jobs", "/api/job-group"]
        .iter()
        .any(|word| path.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

async fn nothing_here() -> Failed {
    refusal::nothing_here().into()
}

/// `Allow` is set around it.
async fn wrong_method(method: Method) -> Failed {
    refusal::wrong_method(&method).into()
}

#[cfg(test)]
mod tests {
    use super::owns;

    #[test]
    fn other_words_that_begin_alike_belong_to_others() {
        for path in ["/api/jobs", "/api/jobs/", "/api/jobs/7/start", "/api/job-group", "/api/job-group/1"] {
            assert!(owns(path), "{path}");
        }
        for path in ["/api/jobsets", "/api/job-groups", "/api/n1/jobs", "/api/job", "/api"] {
            assert!(!owns(path), "{path}");
        }
    }
}
