//! Answers as Hydra's clients read them: JSON, and `{"error":…}`.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
use serde_json::json;

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Any.
    One(Error),
    /// A search for nothing, or for what no name can hold: the dialect calls it the server's fault.
    Search(&'static str),
    /// A jobset that is called otherwise now: the path of the same address with its new name.
    Moved(String),
    /// A file that was collected.
    Gone(String),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed::One(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Failed::One(error) => render(&error),
            Failed::Search(why) => {
                (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": why }))).into_response()
            }
            Failed::Gone(why) => (StatusCode::GONE, Json(json!({ "error": why }))).into_response(),
            Failed::Moved(path) => led(StatusCode::MOVED_PERMANENTLY, &path),
        }
    }
}

/// This door's table of kinds. Who has not signed in is forbidden things, too; what cannot be done is a bad request.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Unauthenticated => StatusCode::FORBIDDEN,
        Kind::Conflict | Kind::Refused => StatusCode::BAD_REQUEST,
        kind => refusal::status(kind),
    }
}

/// Shows an error.
pub fn render(error: &Error) -> Response {
    let body = Json(json!({ "error": refusal::words(error) }));
    let mut response = (status(error.kind), body).into_response();
    refusal::advise(error, response.headers_mut());
    response
}

/// Leads to another address.
pub(crate) fn led(status: StatusCode, address: &str) -> Response {
    let mut response = (status, Body::empty()).into_response();
    lead(&mut response, address);
    response
}

/// Sets where an answer leads. An address that no header can hold leads nowhere.
fn lead(response: &mut Response, address: &str) {
    if let Ok(value) = HeaderValue::from_str(address) {
        response.headers_mut().insert(LOCATION, value);
    }
}

/// What was asked for is there: a project or jobset that is new, or has new contents.
pub(crate) fn saved(kind: &str, name: &str, address: &str, is_new: bool) -> Response {
    if !is_new {
        return Json(json!({ "redirect": format!("{address}#tabs-configuration") })).into_response();
    }
    let view = json!({ "uri": address, "redirect": address, "name": name, "type": kind });
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    lead(&mut response, address);
    response
}

/// What was asked for is gone. Leads to what it belonged to.
pub(crate) fn removed(from: &str) -> Response {
    let mut response = Json(json!({ "redirect": from })).into_response();
    lead(&mut response, from);
    response
}
