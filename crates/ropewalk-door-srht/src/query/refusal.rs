//! Requests that are not executed.

use async_graphql::Pos;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// Why a request is not executed: GraphQL errors under a status of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the answer.
    pub status: StatusCode,
    /// For people.
    pub message: String,
    code: Option<&'static str>,
    at: Vec<(usize, usize)>,
}

impl Refusal {
    fn new(status: StatusCode, code: Option<&'static str>, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), at: vec![] }
    }

    /// What was sent is no request.
    pub(crate) fn malformed(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, None, message)
    }

    /// What was sent is larger than its named limit.
    pub(crate) fn too_large(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, None, message)
    }

    /// What was sent has a type that is not read here.
    pub(crate) fn unknown_type(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, message)
    }

    /// Only queries can be asked by GET.
    pub(crate) fn only_queries() -> Refusal {
        let words = "GET requests only allow query operations: send this one by POST";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, None, words)
    }

    /// The text is no document.
    pub(crate) fn unparsed(message: impl Into<String>, at: impl IntoIterator<Item = Pos>) -> Refusal {
        let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Some("GRAPHQL_PARSE_FAILED"), message);
        Refusal { at: at.into_iter().map(|pos| (pos.line, pos.column)).collect(), ..refusal }
    }

    /// The document breaks a rule.
    pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Some("GRAPHQL_VALIDATION_FAILED"), message)
    }

    /// The document asks for more than a limit allows.
    pub(crate) fn too_complex(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Some("COMPLEXITY_LIMIT_EXCEEDED"), message)
    }

    /// As a member of `errors`.
    fn error(&self) -> Error<'_> {
        let locations = self.at.iter().map(|(line, column)| Location { line: *line, column: *column });
        Error {
            message: &self.message,
            locations: locations.collect(),
            extensions: self.code.map(|code| Extensions { code }),
        }
    }
}

#[derive(Serialize)]
struct Error<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<Extensions>,
}

#[derive(Serialize)]
struct Location {
    line: usize,
    column: usize,
}

#[derive(Serialize)]
struct Extensions {
    code: &'static str,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, Json(json!({ "errors": [self.error()], "data": null }))).into_response();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(http::header::ALLOW, http::HeaderValue::from_static("POST"));
        }
        response
    }
}
