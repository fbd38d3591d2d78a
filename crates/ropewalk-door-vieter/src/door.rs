//! Which address is whose.

use crate::answer::{bare, message, shown};
use crate::asked::{Asked, number};
use crate::counters::Counters;
use crate::table::{self, Endpoint, Row};
use crate::{jobs, logs, repos, targets};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use http::{HeaderMap, Method, StatusCode};
use ropewalk_core::access::{self, Caller};
use ropewalk_core::arch::is_repository_name;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_http::routes::Route;
use ropewalk_model::grant::Mode;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What this door is made of.
#[derive(Clone, Debug)]
pub struct Vieter {
    farm: Arc<Farm>,
    incoming: Arc<Path>,
    counters: Arc<Counters>,
}

impl Vieter {
    /// `incoming` is a folder for bytes that arrive, on the disk that has room for them.
    pub fn new(farm: Arc<Farm>, incoming: Arc<Path>) -> Vieter {
        Vieter { farm, incoming, counters: Arc::default() }
    }
}

/// A request with its address taken apart.
pub(crate) struct Asking<'a> {
    pub(crate) farm: &'a Arc<Farm>,
    pub(crate) incoming: &'a Path,
    counters: &'a Counters,
    pub(crate) caller: &'a Caller,
    pub(crate) asked: &'a Asked,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Body,
}

/// Puts this door beside others, whose addresses all begin with words that no repository can have. What begins with the
/// name of a repository has no route of its own: it is taken out before the others answer that there is nothing.
#[allow(clippy::disallowed_methods, reason = "one route for all of /api/v1: `table` says what is below it")]
pub fn beside(doors: Router, vieter: Vieter) -> Router {
    let routes = Router::new().route("/health", any(answer)).route("/api/v1/{*rest}", any(answer));
    doors.merge(routes.with_state(vieter.clone())).layer(from_fn_with_state(vieter, take))
}

async fn take(State(vieter): State<Vieter>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let reserved = &vieter.farm.settings().arch.reserved;
    let is_ours = match request.extensions().get::<MatchedPath>() {
        Some(_) => false,
        None => owns(path) || is_of_repository(request.method(), path, |word| reserved.contains(word)),
    };
    if is_ours { answer(State(vieter), request).await } else { next.run(request).await }
}

/// Whether this door answers at an address.
pub fn owns(path: &str) -> bool {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (Some("health"), None) => true,
        (Some("api"), Some(second)) => second == "v1",
        _ => false,
    }
}

/// The route table of this door.
pub fn routes() -> Vec<Route> {
    table::routes()
}

/// Whether an address is one of a repository. Packages that are sent to a name that none can have are refused here too.
pub fn is_of_repository(method: &Method, path: &str, is_reserved: impl Fn(&str) -> bool) -> bool {
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let has_name = words.first().is_some_and(|name| is_repository_name(name) && !is_reserved(name));
    match (method.as_str(), words.as_slice()) {
        ("POST", [_, "publish"]) => true,
        ("GET" | "HEAD", [_, _, _]) | ("DELETE", [_] | [_, _] | [_, _, _]) => has_name,
        _ => false,
    }
}

async fn answer(State(vieter): State<Vieter>, request: Request) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    // Whoever stands at the gate has said who asks.
    let caller = parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anonymous);
    let asked = Asked::of(parts.uri.query());
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let (farm, incoming, counters) = (&vieter.farm, &*vieter.incoming, &*vieter.counters);
    let (caller, asked, headers) = (&caller, &asked, &parts.headers);
    let row = table::find(&parts.method, &words);
    let answer =
        shown(route(row, &words, Asking { farm, incoming, counters, caller, asked, headers, body }).await);
    counters.count(row, answer.status(), began.elapsed());
    answer
}

/// Route words are lower case; what is not here is not there, whatever the method.
async fn route(row: Option<&Row>, words: &[&str], asking: Asking<'_>) -> Result<Response, Error> {
    let Some(row) = row else { return Ok(bare(StatusCode::NOT_FOUND)) };
    let nth = |at: usize| words.get(at).copied().unwrap_or_default();
    let id = number(nth(3));
    match row.endpoint {
        Endpoint::Health => Ok(message(StatusCode::OK, "Healthy.")),
        Endpoint::Metrics if asking.farm.settings().arch.metrics => asking.counters.answer(),
        Endpoint::Metrics => Ok(bare(StatusCode::NOT_FOUND)),
        Endpoint::Targets => keyed(asking, Mode::Ro, targets::list).await,
        Endpoint::NewTarget => keyed(asking, Mode::Rw, targets::create).await,
        Endpoint::Target => keyed(asking, Mode::Ro, |asking| targets::show(asking, id)).await,
        Endpoint::ChangeTarget => keyed(asking, Mode::Rw, |asking| targets::update(asking, id)).await,
        Endpoint::RemoveTarget => keyed(asking, Mode::Rw, |asking| targets::delete(asking, id)).await,
        Endpoint::Queue => keyed(asking, Mode::Rw, jobs::queue).await,
        Endpoint::Poll => {
            access::build_packages(asking.caller)?;
            jobs::poll(asking).await
        }
        Endpoint::Logs => keyed(asking, Mode::Ro, logs::list).await,
        Endpoint::NewLog => {
            access::build_packages(asking.caller)?;
            logs::upload(asking).await
        }
        Endpoint::Log => keyed(asking, Mode::Ro, |asking| logs::show(asking, id)).await,
        Endpoint::LogContent => keyed(asking, Mode::Ro, |asking| logs::content(asking, id)).await,
        Endpoint::RemoveLog => keyed(asking, Mode::Rw, |asking| logs::delete(asking, id)).await,
        Endpoint::Publish => {
            access::publishes(asking.caller)?;
            repos::publish(asking, nth(0)).await
        }
        Endpoint::RepoFile => repos::file(asking, [nth(0), nth(1), nth(2)]).await,
        Endpoint::RemoveFromRepo => {
            let [arch, package] = [1, 2].map(|at| words.get(at).copied());
            keyed(asking, Mode::Rw, |asking| repos::delete(asking, nth(0), arch, package)).await
        }
    }
}

/// The key is looked at before any argument.
async fn keyed<'a, F>(
    asking: Asking<'a>,
    mode: Mode,
    handler: impl FnOnce(Asking<'a>) -> F,
) -> Result<Response, Error>
where
    F: Future<Output = Result<Response, Error>>,
{
    access::packages(asking.caller, mode)?;
    handler(asking).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn repositories_begin_with_words_that_nobody_else_has() {
        let is_ours = |method: &str, path: &str| {
            is_of_repository(&method.parse().unwrap(), path, |word| word == "submit")
        };
        for (method, path) in [
            ("POST", "/r/publish"),
            ("POST", "/API/publish"),
            ("GET", "/r/x86_64/r.db"),
            ("HEAD", "//r/x86_64//p-1-1/"),
            ("DELETE", "/r"),
            ("DELETE", "/r/x86_64/p"),
        ] {
            assert!(is_ours(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "/r"),
            ("GET", "/r/x86_64"),
            ("GET", "/~ann/job/1"),
            ("GET", "/submit/a/b"),
            ("GET", "/r/a/b/c"),
            ("POST", "/r/x86_64/p"),
            ("GET", "/"),
        ] {
            assert!(!is_ours(method, path), "{method} {path}");
        }
    }

    #[test]
    fn the_door_owns_its_own_words_only() {
        for path in ["/health", "//health/", "/api/v1/targets", "/api/v1", "/api/v1/nosuch"] {
            assert!(owns(path), "{path}");
        }
        for path in ["/", "/healthz", "/health/x", "/api/n1/jobs", "/api", "/query", "/api/jobs"] {
            assert!(!owns(path), "{path}");
        }
    }
}
