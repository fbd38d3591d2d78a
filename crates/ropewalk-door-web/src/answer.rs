//! Errors as this door shows them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
use serde::Serialize;
use utoipa::ToSchema;

/// What a failed request answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Refusal {
    /// What was tried, on what, and what to do.
    error: String,
    /// One word of a closed list, for programs.
    kind: String,
    /// The argument that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong with a manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<Problem>,
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// What.
    message: String,
    /// What to do.
    hint: String,
}

/// An error on its way to a client of this door.
#[derive(Debug)]
pub(crate) struct Failed(Error);

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

/// This door's table of kinds.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::InvalidToken => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::Missing => StatusCode::NOT_FOUND,
        Kind::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict | Kind::Refused => StatusCode::CONFLICT,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Shows an error.
pub(crate) fn render(error: &Error) -> Response {
    let message = refusal::words(error);
    let problems = error.problems.iter().map(|problem| Problem {
        line: problem.place.line,
        column: problem.place.column,
        message: problem.message.clone(),
        hint: problem.hint.clone(),
    });
    let refusal = Refusal {
        error: message,
        kind: error.kind.to_string(),
        field: error.field.map(String::from),
        problems: problems.collect(),
    };
    let mut response = (status(error.kind), Json(refusal)).into_response();
    refusal::advise(error.kind, response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
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
