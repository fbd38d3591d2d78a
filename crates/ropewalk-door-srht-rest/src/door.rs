//! Addresses of this door.

use crate::answer::Failed;
use crate::{artifacts, groups, jobs, logs};
use axum::Router;
use axum::routing::{any, get, post};
use http::Method;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::farm::Farm;
use std::sync::Arc;

/// First words of this door's addresses.
const JOBS: &str = "/api/jobs";
const GROUPS: &str = "/api/job-group";

/// All addresses of this door.
pub fn door(farm: Arc<Farm>) -> Router {
    let jobs = Router::new()
        .route("/", get(jobs::list).post(jobs::submit))
        .route("/{job}", get(jobs::show))
        .route("/{job}/artifacts", get(artifacts::list))
        .route("/{job}/manifest", get(jobs::manifest))
        .route("/{job}/start", post(jobs::start))
        .route("/{job}/cancel", post(jobs::cancel))
        .route("/{job}/log", get(logs::setup))
        .route("/{job}/tasks/{task}/log", get(logs::task));
    let groups = Router::new()
        .route("/", post(groups::create))
        .route("/{group}", get(groups::show))
        .route("/{group}/start", post(groups::start))
        .route("/{group}/cancel", post(groups::cancel));
    // Each answers for itself whatever else begins like it: the doors share one fallback, which is another's.
    let alone =
        |routes: Router<Arc<Farm>>| routes.fallback(nothing_here).method_not_allowed_fallback(wrong_method);
    Router::new()
        .nest(JOBS, alone(jobs))
        .nest(GROUPS, alone(groups))
        .route("/api/jobs/", any(nothing_here))
        .route("/api/job-group/", any(nothing_here))
        .with_state(farm)
}

/// Whether this door answers at an address.
pub fn owns(path: &str) -> bool {
    ["/api/jobs", "/api/job-group"]
        .iter()
        .any(|word| path.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

async fn nothing_here() -> Failed {
    Error::missing("such address").into()
}

/// `Allow` is set around it.
async fn wrong_method(method: Method) -> Failed {
    Error::new(Kind::WrongMethod, format!("this address takes no {method}: see the header Allow")).into()
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
