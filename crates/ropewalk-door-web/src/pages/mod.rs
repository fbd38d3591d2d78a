//! Pages: complete without script, alive with it. Every view is an address.

mod addresses;
mod arch;
mod assets;
mod badge;
mod conditional;
mod failure;
mod farm;
mod feed;
mod form;
mod frame;
mod graphql;
mod home;
pub(crate) mod job;
mod jobs;
mod login;
mod markdown;
mod nix;
mod people;
mod query;
mod settings;
mod show;
mod step;
mod submit;
mod tokens;

pub(crate) use failure::{nothing_here, refused, render, wrong_method};

use crate::Web;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::Uri;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName};
use http::{HeaderMap, HeaderValue};
use ropewalk_http::negotiation::tell_route;
use ropewalk_http::routes::Routes;

/// Nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Pages with addresses of their own.
pub(crate) fn routes() -> Routes<Web> {
    Routes::default()
        .get("/", home::show)
        .get("/login", login::show)
        .post("/session", login::log_in)
        .post("/session/end", login::log_out)
        .get("/submit", submit::show)
        .post("/submit", submit::submit)
        .get("/resubmit/{job}", submit::again)
        .post("/resubmit/{job}", submit::resubmit)
        .post("/cancel/{job}", job::cancel)
        .post("/-/start/{job}", job::start)
        .get("/graphql", graphql::show)
        .get("/-/jobs", jobs::show)
        .get("/-/tokens", tokens::show)
        .post("/-/tokens", tokens::create)
        .post("/-/tokens/{token}/revoke", tokens::revoke)
        .merge(nix::own())
        .merge(arch::routes())
        .around(|router| router.route_layer(from_fn(failure::as_page)).route_layer(from_fn(protect)))
        .get("/-/assets/{version}/{name}", assets::serve)
        .get("/favicon.ico", assets::favicon)
        .get("/robots.txt", assets::robots)
}

/// Pages of people: `/~NAME…`, which [`to_people`] turns into `/~/NAME…`.
pub(crate) fn people() -> Routes<Web> {
    let routes = Routes::default()
        .get("/~/{user}", people::show)
        .get("/~/{user}/job/{job}", job::show)
        .get("/~/{user}/job/{job}/manifest", job::manifest)
        .get("/~/{user}/job/{job}/live", job::live)
        .get("/~/{user}/job/{job}/settings/details", settings::show)
        .post("/~/{user}/job/{job}/settings/details", settings::change)
        .get("/~/{user}/job/{job}/log/{log}", step::show)
        .get("/~/{user}/{*path}", people::below);
    routes.around(behind_a_fallback)
}

/// Pages at addresses that another door has for programs. They must not match before it is known who is asked: the
/// other door would read the variable parts twice.
pub(crate) fn shared() -> Routes<Web> {
    nix::routes().merge(farm::routes()).around(behind_a_fallback)
}

fn behind_a_fallback(router: Router<Web>) -> Router<Web> {
    let pages = router.route_layer(from_fn(failure::as_page)).route_layer(from_fn(protect));
    pages.route_layer(from_fn(tell_route))
}

/// The address of a person's page as the routes have it; none for other addresses.
pub(crate) fn to_people(uri: &Uri) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix("/~")?;
    let named = rest.bytes().next().is_some_and(|byte| byte != b'/' && byte != b'?');
    if named { format!("/~/{rest}").parse().ok() } else { None }
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
