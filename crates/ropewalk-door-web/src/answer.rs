//! Errors as this door shows them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use ropewalk_core::error::Error;
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

/// Shows an error.
pub(crate) fn render(error: &Error) -> Response {
    let problems = error.problems.iter().map(|problem| Problem {
        line: problem.place.line,
        column: problem.place.column,
        message: problem.message.clone(),
        hint: problem.hint.clone(),
    });
    let body = Refusal {
        error: refusal::words(error).into(),
        kind: error.kind.to_string(),
        field: error.field.map(String::from),
        problems: problems.collect(),
    };
    let mut response = (refusal::status(error.kind), Json(body)).into_response();
    refusal::advise(error, response.headers_mut());
    response
}
