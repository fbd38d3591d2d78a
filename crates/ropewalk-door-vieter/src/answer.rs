//! Answers as Vieter's clients read them: `{"message":…,"data":…}`, or a status alone.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
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
        // Vieter knows no other.
        Kind::WrongMethod => StatusCode::NOT_FOUND,
        kind => refusal::status(kind),
    }
}

/// Shows an error. What is missing is told by the status alone.
pub fn render(error: &Error) -> Response {
    let status = status(error.kind);
    let mut response = match error.kind {
        Kind::Missing | Kind::WrongMethod => bare(status),
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::OtherScheme | Kind::InvalidToken => {
            message(status, "401 Unauthorized")
        }
        _ => message(status, refusal::words(error)),
    };
    refusal::advise(error, response.headers_mut());
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

    #[test]
    fn an_envelope_has_its_keys_in_order() {
        let text = serde_json::to_string(&Envelope { message: "", data: 15 }).unwrap();
        assert_eq!(text, r#"{"message":"","data":15}"#);
    }
}
