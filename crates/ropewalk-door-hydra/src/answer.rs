//! Answers as Hydra's clients read them: JSON, and `{"error":…}`.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
use serde::Serialize;
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
pub(crate) fn lead(response: &mut Response, address: &str) {
    if let Ok(value) = HeaderValue::from_str(address) {
        response.headers_mut().insert(LOCATION, value);
    }
}

/// Data, with the address of what was made.
pub(crate) fn made(address: &str, data: impl Serialize) -> Response {
    let mut response = (StatusCode::CREATED, Json(data)).into_response();
    lead(&mut response, address);
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn every_kind_has_a_status_that_says_whose_fault_it_is() {
        for kind in Kind::iter() {
            let response = render(&Error::new(kind, "x"));
            let server_fault = matches!(kind, Kind::Unavailable | Kind::Internal);
            assert_eq!(response.status().is_server_error(), server_fault, "{kind}");
            assert_eq!(response.status().is_client_error(), !server_fault, "{kind}");
        }
    }
}
