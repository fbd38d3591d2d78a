//! All addresses of this door, and how its refusals look.

use crate::{Web, answer, n1, pages, published, watch};
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use ropewalk_core::error::Error;
use ropewalk_http::parts::Dialect;
use ropewalk_http::routes::{Route, Routes};
use tower::ServiceExt;

/// All addresses of this door.
pub fn door(web: Web) -> Router {
    let behind = |routes: Routes<Web>| {
        let router = routes.into_router().fallback(pages::nothing_here);
        router.method_not_allowed_fallback(pages::wrong_method).with_state(web.clone())
    };
    let (people, shared) = (behind(pages::people()), behind(pages::shared()));
    table()
        .into_router()
        .fallback(move |request| elsewhere(people, shared, request))
        .method_not_allowed_fallback(pages::wrong_method)
        .with_state(web)
}

fn table() -> Routes<Web> {
    n1::routes().merge(published::routes()).merge(watch::routes()).merge(pages::routes())
}

/// The route table of this door, with people's pages where people find them.
pub fn routes() -> Vec<Route> {
    let people = pages::people().into_table().into_iter();
    let people = people.map(|route| Route { path: route.path.replacen("/~/", "/~", 1), ..route });
    table().into_table().into_iter().chain(people).chain(pages::shared().into_table()).collect()
}

/// People's pages have no word of their own at the start, so that routes cannot find them; and those at another door's
/// addresses must not be found before that door was asked.
async fn elsewhere(people: Router, shared: Router, mut request: Request) -> Response {
    let answered = match pages::to_people(request.uri()) {
        Some(uri) => {
            *request.uri_mut() = uri;
            people.oneshot(request).await
        }
        None => shared.oneshot(request).await,
    };
    match answered {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// How a refusal at this address looks that came before any handler: JSON for programs, a page for people.
pub fn render(path: &str) -> fn(&Error) -> Response {
    if is_for_programs(path) { answer::render } else { pages::render }
}

impl Dialect for Web {
    fn refuse(&self, path: &str, error: Error) -> Response {
        if is_for_programs(path) { answer::render(&error) } else { pages::refused(error) }
    }
}

/// Addresses that no person looks at.
pub(crate) fn is_for_programs(path: &str) -> bool {
    let words = ["/api/", "/artifacts/", "/healthz", "/readyz", "/metrics", "/prometheus"];
    words.iter().any(|word| path.starts_with(word))
}
