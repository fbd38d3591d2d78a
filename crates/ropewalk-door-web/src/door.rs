//! All addresses of this door, and how its refusals look.

use crate::{Web, answer, n1, pages, published, watch};
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use ropewalk_core::error::Error;
use tower::ServiceExt;

/// All addresses of this door.
pub fn door(web: Web) -> Router {
    let people = pages::people()
        .fallback(pages::nothing_here)
        .method_not_allowed_fallback(pages::wrong_method)
        .with_state(web.clone());
    let doors = n1::router().merge(published::router()).merge(watch::router()).merge(pages::router());
    doors
        .fallback(move |request| elsewhere(people, request))
        .method_not_allowed_fallback(pages::wrong_method)
        .with_state(web)
}

/// People's pages have no word of their own at the start, so that routes cannot find them.
async fn elsewhere(people: Router, mut request: Request) -> Response {
    let Some(uri) = pages::to_people(request.uri()) else { return pages::nothing_here(request).await };
    *request.uri_mut() = uri;
    match people.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// How a refusal at this address looks that came before any handler: JSON for programs, a page for people.
pub fn render(path: &str) -> fn(&Error) -> Response {
    let words = ["/api/", "/artifacts/", "/healthz", "/readyz", "/metrics", "/prometheus"];
    let is_for_programs = words.iter().any(|word| path.starts_with(word));
    if is_for_programs { answer::render } else { pages::render }
}
