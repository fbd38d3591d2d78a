//! Which address is whose.

use crate::answer::{bare, message, shown};
use crate::asked::{Asked, number};
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
use ropewalk_model::grant::Mode;
use std::path::Path;
use std::sync::Arc;

/// What this door is made of.
#[derive(Clone, Debug)]
pub struct Vieter {
    /// The farm.
    pub farm: Arc<Farm>,
    /// Folder for bytes that arrive, on the disk that has room for them.
    pub incoming: Arc<Path>,
}

/// A request with its address taken apart.
pub(crate) struct Asking<'a> {
    pub(crate) farm: &'a Arc<Farm>,
    pub(crate) incoming: &'a Path,
    pub(crate) caller: &'a Caller,
    pub(crate) asked: &'a Asked,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Body,
}

/// Puts this door beside others, whose addresses all begin with words that no repository can have. What begins with the
/// name of a repository has no route of its own: it is taken out before the others answer that there is nothing.
#[allow(clippy::disallowed_methods, reason = "one route for all of /api/v1: `route` below is its table")]
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
    let (parts, body) = request.into_parts();
    // Whoever stands at the gate has said who asks.
    let caller = parts.extensions.get::<Caller>().cloned().unwrap_or(Caller::Anonymous);
    let asked = Asked::of(parts.uri.query());
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
    let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
    let (farm, incoming) = (&vieter.farm, &*vieter.incoming);
    let asking = Asking { farm, incoming, caller: &caller, asked: &asked, headers: &parts.headers, body };
    shown(route(&parts.method, &words, asking).await)
}

/// Route words are lower case; what is not here is not there, whatever the method.
async fn route(method: &Method, words: &[&str], asking: Asking<'_>) -> Result<Response, Error> {
    match (method.as_str(), words) {
        ("GET", ["health"]) => Ok(message(StatusCode::OK, "Healthy.")),
        ("GET", ["api", "v1", "metrics"]) => Ok(bare(StatusCode::NOT_FOUND)),
        ("GET", ["api", "v1", "targets"]) => keyed(asking, Mode::Ro, targets::list).await,
        ("POST", ["api", "v1", "targets"]) => keyed(asking, Mode::Rw, targets::create).await,
        ("GET", ["api", "v1", "targets", id]) => {
            keyed(asking, Mode::Ro, |asking| targets::show(asking, number(id))).await
        }
        ("PATCH", ["api", "v1", "targets", id]) => {
            keyed(asking, Mode::Rw, |asking| targets::update(asking, number(id))).await
        }
        ("DELETE", ["api", "v1", "targets", id]) => {
            keyed(asking, Mode::Rw, |asking| targets::delete(asking, number(id))).await
        }
        ("POST", ["api", "v1", "jobs", "queue"]) => keyed(asking, Mode::Rw, jobs::queue).await,
        ("GET", ["api", "v1", "jobs", "poll"]) => keyed(asking, Mode::Rw, jobs::poll).await,
        ("GET", ["api", "v1", "logs"]) => keyed(asking, Mode::Ro, logs::list).await,
        ("POST", ["api", "v1", "logs"]) => keyed(asking, Mode::Rw, logs::upload).await,
        ("GET", ["api", "v1", "logs", id]) => {
            keyed(asking, Mode::Ro, |asking| logs::show(asking, number(id))).await
        }
        ("GET" | "HEAD", ["api", "v1", "logs", id, "content"]) => {
            keyed(asking, Mode::Ro, |asking| logs::content(asking, number(id))).await
        }
        ("DELETE", ["api", "v1", "logs", id]) => {
            keyed(asking, Mode::Rw, |asking| logs::delete(asking, number(id))).await
        }
        (_, ["api", "v1", ..] | ["health"]) => Ok(bare(StatusCode::NOT_FOUND)),
        ("POST", [repo, "publish"]) => {
            access::publishes(asking.caller)?;
            repos::publish(asking, repo).await
        }
        ("GET" | "HEAD", [repo, arch, file]) => repos::file(asking, [repo, arch, file]).await,
        ("DELETE", [repo]) => keyed(asking, Mode::Rw, |asking| repos::delete(asking, repo, None, None)).await,
        ("DELETE", [repo, arch]) => {
            keyed(asking, Mode::Rw, |asking| repos::delete(asking, repo, Some(arch), None)).await
        }
        ("DELETE", [repo, arch, package]) => {
            keyed(asking, Mode::Rw, |asking| repos::delete(asking, repo, Some(arch), Some(package))).await
        }
        _ => Ok(bare(StatusCode::NOT_FOUND)),
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
