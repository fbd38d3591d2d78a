//! Answers as Vieter's clients read them: `{"message":…,"data":…}`, or a status alone.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use ropewalk_core::error::{Error, Kind};
use serde::Serialize;

#[derive(Serialize)]
struct Envelope<'a, T> {
    message: &'a str,
    data: T,
}

/// Data, with an empty message.
pub(crate) fn data(data: impl Serialize) -> Response {
    envelope(StatusCode::OK, "", data)
}

/// A message without data.
pub(crate) fn message(status: StatusCode, message: &str) -> Response {
    envelope(status, message, "")
}

fn envelope(status: StatusCode, message: &str, data: impl Serialize) -> Response {
    match serde_json::to_string(&Envelope { message, data }) {
        Ok(text) => {
            let mut response = (status, text).into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            tracing::error!("an answer is no JSON: {error}");
            bare(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// A status and nothing else.
pub(crate) fn bare(status: StatusCode) -> Response {
    let mut response = (status, Body::empty()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// This door's table of kinds.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::InvalidToken => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Missing | Kind::WrongMethod => StatusCode::NOT_FOUND,
        Kind::Conflict | Kind::Refused => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Shows an error. What is missing is told by the status alone.
pub fn render(error: &Error) -> Response {
    let status = status(error.kind);
    let mut response = match error.kind {
        Kind::Missing | Kind::WrongMethod => bare(status),
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::InvalidToken => {
            message(status, "401 Unauthorized")
        }
        Kind::Internal => {
            tracing::error!("a request failed: {error}");
            message(status, "something went wrong inside the server; its log says what")
        }
        _ => message(status, &error.message),
    };
    if matches!(error.kind, Kind::TooMany | Kind::Unavailable) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Shows an answer or an error.
pub(crate) fn shown(answer: Result<Response, Error>) -> Response {
    answer.unwrap_or_else(|error| render(&error))
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

    #[test]
    fn an_envelope_has_its_keys_in_order() {
        let text = serde_json::to_string(&Envelope { message: "", data: 15 }).unwrap();
        assert_eq!(text, r#"{"message":"","data":15}"#);
    }
}
