//! Which address is whose.

use crate::answer::{Failed, render};
use crate::order::order;
use crate::{
    builds, description, downloads, evaluations, jobs, jobsets, latest, lists, logs, members, origin,
    projects, push, search, session,
};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::Method;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_http::negotiation::Speaks;
use ropewalk_http::parts::Dialect;
use ropewalk_http::rates::Rates;
use ropewalk_http::refusal;
use ropewalk_http::routes::{Route, Routes};
use ropewalk_http::session::Cookies;
use std::sync::Arc;

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Hydra {
    /// The use cases.
    pub farm: Arc<Farm>,
    /// Counts log-ins.
    pub rates: Arc<Rates>,
    /// How sessions are handed out.
    pub cookies: Cookies,
}

impl Dialect for Hydra {
    fn refuse(&self, _: &str, error: Error) -> Response {
        render(&error)
    }
}

/// All addresses of this door. It answers whatever [`answers`] says.
pub fn door(hydra: Hydra) -> Router {
    table()
        .into_router()
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(hydra.clone(), from_our_pages))
        .with_state(hydra)
}

/// The route table of this door.
pub fn routes() -> Vec<Route> {
    table().into_table()
}

fn table() -> Routes<Hydra> {
    Routes::default()
        .get("/", projects::list)
        .post("/login", session::log_in)
        .get("/current-user", session::show)
        .post("/logout", session::log_out)
        .get("/project/{project}", projects::show)
        .put("/project/{project}", projects::save)
        .delete("/project/{project}", projects::delete)
        .get("/jobset/{project}/{jobset}", jobsets::show)
        .put("/jobset/{project}/{jobset}", jobsets::save)
        .delete("/jobset/{project}/{jobset}", jobsets::delete)
        .get("/jobset/{project}/{jobset}/errors", jobsets::show)
        .get("/jobset/{project}/{jobset}/evals", evaluations::of_jobset)
        .get("/jobset/{project}/{jobset}/latest-eval", evaluations::latest)
        .get("/jobset/{project}/{jobset}/latest-eval/{*rest}", evaluations::latest_below)
        .get("/api/jobsets", jobsets::overview)
        .put("/api/push", push::push)
        .post("/api/push", push::push)
        .get("/search", search::search)
        .get("/api/hydra/openapi.yaml", description::show)
        .merge(of_evaluations())
        .merge(of_builds())
        .merge(of_jobs())
        .merge(of_newest())
        .merge(of_lists())
}

fn of_evaluations() -> Routes<Hydra> {
    Routes::default()
        .get("/eval/{evaluation}", evaluations::show)
        .get("/eval/{evaluation}/errors", evaluations::show)
        .get("/eval/{evaluation}/job/{job}", members::to_build)
        .get("/eval/{evaluation}/job/{job}/{*rest}", members::to_build)
        .get("/eval/{evaluation}/builds", evaluations::builds)
        .get("/eval/{evaluation}/store-paths", evaluations::store_paths)
        .merge(order("/eval/{evaluation}/cancel", evaluations::cancel))
        .merge(order("/eval/{evaluation}/restart-failed", evaluations::restart_failed))
        .merge(order("/eval/{evaluation}/restart-aborted", evaluations::restart_aborted))
        .merge(order("/eval/{evaluation}/bump", evaluations::bump))
}

fn of_builds() -> Routes<Hydra> {
    Routes::default()
        .get("/build/{build}", builds::show)
        .get("/build/{build}/constituents", builds::constituents)
        .get("/build/{build}/api/get-info", builds::info)
        .get("/build/{build}/evals", members::evaluations)
        .get("/build/{build}/eval", members::to_evaluation)
        .get("/build/{build}/eval/{*rest}", members::to_evaluation)
        .merge(order("/build/{build}/restart", builds::restart))
        .merge(order("/build/{build}/cancel", builds::cancel))
        .merge(order("/build/{build}/bump", builds::bump))
        .merge(order("/build/{build}/keep/{keep}", builds::keep))
        .get("/build/{build}/download/{product}", downloads::show)
        .get("/build/{build}/download/{product}/", downloads::show)
        .get("/build/{build}/download/{product}/{*rest}", downloads::show_below)
        .get("/build/{build}/download-by-type/{type}/{subtype}", downloads::by_type)
        .get("/build/{build}/download-by-type/{type}/{subtype}/{*rest}", downloads::by_type_below)
        .get("/build/{build}/log", logs::of_build)
        .get("/build/{build}/log/raw", logs::of_build)
        .get("/build/{build}/log/tail", logs::tail_of_build)
        .get("/log/{derivation}", logs::show)
}

fn of_jobs() -> Routes<Hydra> {
    Routes::default()
        .get("/job/{project}/{jobset}/{job}/shield", jobs::shield)
        .get("/job/{project}/{jobset}/{job}/build-times", jobs::build_times)
        .get("/job/{project}/{jobset}/{job}/closure-sizes", jobs::closure_sizes)
        .get("/job/{project}/{jobset}/{job}/output-sizes", jobs::output_sizes)
        .get("/job/{project}/{jobset}/{job}/metric/{metric}", jobs::metric)
        .get("/job/{project}/{jobset}/{job}/prometheus", jobs::prometheus)
}

/// Places whose newest builds have addresses of their own.
const PLACES: &[&str] =
    &["", "/project/{project}", "/jobset/{project}/{jobset}", "/job/{project}/{jobset}/{job}"];

fn of_newest() -> Routes<Hydra> {
    PLACES.iter().fold(Routes::default(), |routes, place| {
        routes
            .get(&format!("{place}/latest"), latest::latest)
            .get(&format!("{place}/latest/{{*rest}}"), latest::latest)
            .get(&format!("{place}/latest-for/{{system}}"), latest::latest)
            .get(&format!("{place}/latest-for/{{system}}/{{*rest}}"), latest::latest)
            .get(&format!("{place}/latest-finished"), latest::latest_finished)
            .get(&format!("{place}/latest-finished/{{*rest}}"), latest::latest_finished)
    })
}

fn of_lists() -> Routes<Hydra> {
    Routes::default()
        .get("/api/latestbuilds", lists::latest)
        .get("/api/queue", lists::waiting)
        .get("/api/nrqueue", lists::count)
        .get("/api/nrbuilds", lists::by_time)
        .get("/queue", lists::queue)
        .get("/status", lists::running)
        .get("/machines", lists::machines)
        .get("/evals", lists::evaluations)
}

/// Words of `/api/…` that are this door's.
const API: &[&str] = &["push", "jobsets", "latestbuilds", "queue", "nrqueue", "nrbuilds", "hydra"];

/// What this door answers at an address. Pages that people look at answer programs only; whatever is no page, everybody.
pub fn answers(method: &Method, path: &str) -> Speaks {
    let is_look = method == Method::GET || method == Method::HEAD;
    let page = || if is_look { Speaks::Json } else { Speaks::Everything };
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] if is_look => Speaks::Json,
        ["login", ..] if method == Method::POST => Speaks::Everything,
        ["api", word, ..] if API.contains(word) => Speaks::Everything,
        ["current-user" | "logout" | "latest" | "latest-for" | "latest-finished", ..] => Speaks::Everything,
        ["search" | "queue" | "status" | "machines" | "evals", ..] => page(),
        // Programs have no use for a job but its builds, which have addresses below it.
        ["job", _, _, _] => Speaks::Nothing,
        ["project" | "build" | "eval", _] | ["jobset", _, _] => page(),
        ["jobset", _, _, "evals"] => page(),
        ["project" | "jobset" | "job" | "build" | "eval" | "log", ..] => Speaks::Everything,
        _ => Speaks::Nothing,
    }
}

async fn from_our_pages(State(hydra): State<Hydra>, request: Request, next: Next) -> Response {
    match origin::check(request.method(), request.headers(), &hydra.farm.settings().origin) {
        Ok(()) => next.run(request).await,
        Err(error) => Failed::from(error).into_response(),
    }
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
    use super::*;

    #[test]
    fn pages_are_for_people_and_the_rest_for_everybody() {
        for (method, path, speaks) in [
            (Method::GET, "/", Speaks::Json),
            (Method::POST, "/", Speaks::Nothing),
            (Method::GET, "/login", Speaks::Nothing),
            (Method::POST, "/login", Speaks::Everything),
            (Method::GET, "/project/p", Speaks::Json),
            (Method::PUT, "/project/p", Speaks::Everything),
            (Method::GET, "/jobset/p/j/", Speaks::Json),
            (Method::GET, "/queue", Speaks::Json),
            (Method::PUT, "/queue", Speaks::Everything),
            (Method::GET, "/build/1/log/raw", Speaks::Everything),
            (Method::GET, "/jobset/p/j/errors", Speaks::Everything),
            (Method::GET, "/job/p/j/n", Speaks::Nothing),
            (Method::GET, "/job/p/j/n/latest", Speaks::Everything),
            (Method::GET, "/api/push", Speaks::Everything),
            (Method::GET, "/api/n1/jobs", Speaks::Nothing),
            (Method::GET, "/api/jobs", Speaks::Nothing),
            (Method::GET, "/~ann/job/1", Speaks::Nothing),
        ] {
            assert_eq!(answers(&method, path), speaks, "{method} {path}");
        }
    }

    #[test]
    fn every_route_is_answered() {
        for route in routes() {
            let method = route.method.parse().unwrap_or_default();
            assert_ne!(answers(&method, &route.path), Speaks::Nothing, "{route:?}");
        }
    }
}
