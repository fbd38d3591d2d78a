//! Pages: complete without script, alive with it. Every view is an address.

mod assets;
mod badge;
mod conditional;
mod failure;
mod feed;
mod form;
mod frame;
mod home;
pub(crate) mod job;
mod jobs;
mod login;
mod markdown;
mod people;
mod query;
mod settings;
mod show;
mod step;
mod submit;
mod tokens;

pub(crate) use failure::{nothing_here, render, wrong_method};
pub use login::Cookies;

use crate::Web;
use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use http::Uri;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName};
use http::{HeaderMap, HeaderValue};

/// Nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Pages with addresses of their own.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/", get(home::show))
        .route("/login", get(login::show))
        .route("/session", post(login::log_in))
        .route("/session/end", post(login::log_out))
        .route("/submit", get(submit::show).post(submit::submit))
        .route("/resubmit/{job}", get(submit::again).post(submit::resubmit))
        .route("/cancel/{job}", post(job::cancel))
        .route("/-/start/{job}", post(job::start))
        .route("/-/jobs", get(jobs::show))
        .route("/-/tokens", get(tokens::show).post(tokens::create))
        .route("/-/tokens/{token}/revoke", post(tokens::revoke))
        .route_layer(from_fn(failure::as_page))
        .route_layer(from_fn(protect))
        .route("/-/assets/{version}/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .route("/robots.txt", get(assets::robots))
}

/// Pages of people: `/~NAME…`, which [`to_people`] turns into `/~/NAME…`.
pub(crate) fn people() -> Router<Web> {
    Router::new()
        .route("/~/{user}", get(people::show))
        .route("/~/{user}/job/{job}", get(job::show))
        .route("/~/{user}/job/{job}/manifest", get(job::manifest))
        .route("/~/{user}/job/{job}/live", get(job::live))
        .route("/~/{user}/job/{job}/settings/details", get(settings::show).post(settings::change))
        .route("/~/{user}/job/{job}/log/{log}", get(step::show))
        .route("/~/{user}/{*path}", get(people::below))
        .route_layer(from_fn(failure::as_page))
        .route_layer(from_fn(protect))
        .route_layer(from_fn(tell_route))
}

/// The address of a person's page as the routes have it; none for other addresses.
pub(crate) fn to_people(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix("/~")?;
    let named = rest.bytes().next().is_some_and(|byte| byte != b'/' && byte != b'?');
    if named { format!("/~/{rest}").parse().ok() } else { None }
}

/// Tells those outside, who count requests by route, which one it was.
async fn tell_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// What every page says to the browser, unless it said otherwise.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    guard(response.headers_mut());
    response
}

fn guard(headers: &mut HeaderMap) {
    let set = |headers: &mut HeaderMap, name: HeaderName, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(headers, CONTENT_SECURITY_POLICY, POLICY);
    set(headers, CACHE_CONTROL, "private, no-store");
    set(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(headers, HeaderName::from_static("permissions-policy"), "interest-cohort=()");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_after_a_tilde_are_people() {
        let of = |text: &str| to_people(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("/~ann/job/1?l=setup-1").as_deref(), Some("/~/ann/job/1?l=setup-1"));
        assert_eq!(of("/~ann.svg").as_deref(), Some("/~/ann.svg"));
        for other in ["/", "/~", "/~/ann", "/~?x", "/-/jobs", "/x/~ann"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
