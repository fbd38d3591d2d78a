//! Errors as this door shows them.

use async_graphql::ErrorExtensions;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
use serde_json::json;

/// This door's table of kinds: the status of a request that fails as a whole, as upstream has it.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::UnreadableToken | Kind::OtherScheme => StatusCode::BAD_REQUEST,
        Kind::InvalidToken => StatusCode::FORBIDDEN,
        kind => refusal::status(kind),
    }
}

/// The word of upstream for an error of one field, where it has one.
fn code(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Forbidden => Some("ERR_ACCESS_DENIED"),
        Kind::Missing => Some("ERR_NOT_FOUND"),
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::OtherScheme | Kind::InvalidToken => {
            Some("ERR_UNAUTHORIZED")
        }
        Kind::Internal | Kind::Unavailable => Some("ERR_INTERNAL"),
        Kind::Malformed
        | Kind::WrongMethod
        | Kind::Conflict
        | Kind::Refused
        | Kind::TooLarge
        | Kind::TooMany => None,
    }
}

/// What callers are told.
fn words(error: &Error) -> String {
    match error.kind {
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::OtherScheme | Kind::InvalidToken => {
            format!("Authentication error: {}", error.message)
        }
        _ => refusal::words(error).to_string(),
    }
}

/// Shows the error of a whole request.
pub fn render(error: &Error) -> Response {
    let body = json!({ "errors": [{ "message": words(error) }] });
    let mut response = (status(error.kind), Json(body)).into_response();
    refusal::advise(error, response.headers_mut());
    response
}

/// The error of one field.
pub(crate) fn of_field(error: Error) -> async_graphql::Error {
    async_graphql::Error::new(words(&error)).extend_with(|_, extensions| {
        if let Some(code) = code(error.kind) {
            extensions.set("code", code);
        }
        if let Some(field) = error.field {
            extensions.set("field", field);
        }
    })
}

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) Error);

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        render(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_refused_with_the_words_and_statuses_of_upstream() {
        for (kind, status) in [
            (Kind::Unauthenticated, StatusCode::UNAUTHORIZED),
            (Kind::UnreadableToken, StatusCode::BAD_REQUEST),
            (Kind::InvalidToken, StatusCode::FORBIDDEN),
        ] {
            let error = Error::new(kind, "x");
            assert_eq!(
                (render(&error).status(), words(&error).as_str()),
                (status, "Authentication error: x")
            );
        }
    }
}
