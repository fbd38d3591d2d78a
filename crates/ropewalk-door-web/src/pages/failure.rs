//! Refusals as pages.

use super::frame::{Frame, answer, frame, nobodys};
use super::guard;
use crate::door::is_for_programs;
use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::ACCEPT;
use http::{Method, StatusCode};
use ropewalk_core::access::Caller;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
use std::sync::Arc;

/// A refusal on its way out; [`as_page`] makes a page of it.
#[derive(Clone, Debug)]
pub(super) struct Failure(Arc<Error>);

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(Arc::new(error.into()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    frame: Frame,
    status: u16,
    heading: &'a str,
    message: &'a str,
    address: &'a str,
    problems: Vec<String>,
}

/// Middleware: shows refusals to the one who asked. Whoever has not logged in is led there from where a log-in would
/// help.
pub(super) async fn as_page(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (frame, address) = (frame(&parts), parts.uri.to_string());
    let is_look = parts.method.is_safe();
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(Failure(error)) = response.extensions().get::<Failure>().cloned() else { return response };
    if error.kind == Kind::Unauthenticated && is_look && matches!(frame.by, Caller::Anonymous) {
        let encoded: String = form_urlencoded::byte_serialize(shown(&address).as_bytes()).collect();
        return Redirect::to(&format!("/login?next={encoded}")).into_response();
    }
    show(frame, &error, &shown(&address))
}

/// A person's address as they typed it.
fn shown(address: &str) -> String {
    match address.strip_prefix("/~/") {
        Some(rest) => format!("/~{rest}"),
        None => address.to_string(),
    }
}

/// A refusal that came before the handler of a page began.
pub(crate) fn refused(error: Error) -> Response {
    Failure::from(error).into_response()
}

/// Shows a refusal that came before it was known who asks.
pub(crate) fn render(error: &Error) -> Response {
    let mut response = show(nobodys(), error, "");
    guard(response.headers_mut());
    response
}

fn show(frame: Frame, error: &Error, address: &str) -> Response {
    let (status, heading) = (refusal::status(error.kind), heading(error.kind));
    let message = refusal::words(error);
    let problems = error.problems.iter().map(ToString::to_string).collect();
    let page = FailurePage { frame, status: status.as_u16(), heading, message, address, problems };
    let mut response = answer(status, &page);
    refusal::advise(error, response.headers_mut());
    response
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "This cannot be understood",
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::OtherScheme | Kind::InvalidToken => {
            "Log in first"
        }
        Kind::Forbidden => "You may not do this",
        Kind::Missing => "There is nothing here that you may see",
        Kind::WrongMethod => "This address is for something else",
        Kind::Conflict | Kind::Refused => "This cannot be done now",
        Kind::TooLarge => "This is too large",
        Kind::TooMany => "Too many at once",
        Kind::Unavailable => "Not now",
        Kind::Internal => "Something went wrong inside",
    }
}

/// The answer for addresses that no route has: a page for browsers, JSON for programs.
pub(crate) async fn nothing_here(request: Request) -> Response {
    refuse(request, refusal::nothing_here())
}

/// The answer for methods that a route does not have; `Allow` is set around it.
pub(crate) async fn wrong_method(method: Method, request: Request) -> Response {
    refuse(request, refusal::wrong_method(&method))
}

fn refuse(request: Request, error: Error) -> Response {
    let (parts, _) = request.into_parts();
    let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_for_programs(parts.uri.path()) || !accept.contains("text/html") {
        return crate::answer::render(&error);
    }
    let mut response = show(frame(&parts), &error, &shown(&parts.uri.to_string()));
    guard(response.headers_mut());
    response
}
