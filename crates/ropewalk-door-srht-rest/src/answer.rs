//! Errors as this door shows them: `{"errors":[{"field","reason"}]}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::refusal;
use ropewalk_model::grant::Mode;
use serde::Serialize;
use serde_json::json;

/// One thing that is wrong with a request.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    /// What it is about, if it is about a part of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<&'static str>,
    pub(crate) reason: String,
}

/// An error on its way to a client.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Any.
    One(Error),
    /// Fields of a body that break rules; never empty.
    Fields(Vec<Fault>),
    /// A group that is not there, which this dialect answers with an empty object.
    NoGroup,
}

impl Failed {
    /// A token without the scope that an address needs.
    pub(crate) fn scope(mode: Mode) -> Failed {
        let scope = match mode {
            Mode::Ro => "jobs:read",
            Mode::Rw => "jobs:write",
        };
        let text = format!("Your OAuth token is not permitted to use this endpoint (needs {scope})");
        Error::new(Kind::Forbidden, text).into()
    }

    /// Somebody else's job cannot be told from none where it would be changed.
    pub(crate) fn of_change(error: Error) -> Failed {
        match error.kind {
            Kind::Forbidden => Error::missing("job of yours").into(),
            _ => error.into(),
        }
    }

    /// The token may use the address; what its body asks for is too much.
    pub(crate) fn of_body(error: Error) -> Failed {
        match error.kind {
            Kind::Forbidden => Error { kind: Kind::Malformed, ..error }.into(),
            _ => error.into(),
        }
    }

    /// The same for groups.
    pub(crate) fn of_group(error: Error) -> Failed {
        match error.kind {
            Kind::Missing => Failed::NoGroup,
            _ => error.into(),
        }
    }
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
            Failed::Fields(faults) => respond(StatusCode::BAD_REQUEST, &faults),
            Failed::NoGroup => (StatusCode::NOT_FOUND, Json(json!({}))).into_response(),
        }
    }
}

/// This door's table of kinds.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Conflict | Kind::Refused => StatusCode::BAD_REQUEST,
        kind => refusal::status(kind),
    }
}

/// Upstream's sentences, where it has one for all errors of a kind.
fn reason(error: &Error) -> String {
    match error.kind {
        Kind::Unauthenticated | Kind::OtherScheme => {
            "No authorization supplied (expected an OAuth token)".into()
        }
        Kind::UnreadableToken => "Invalid authorization supplied".into(),
        Kind::InvalidToken => "Invalid or expired OAuth token".into(),
        Kind::Missing => "404 not found".into(),
        _ => refusal::words(error).into(),
    }
}

/// The core's names of arguments are those of the GraphQL interface.
fn field(error: &Error) -> Option<&'static str> {
    error.field.map(|field| if field == "jobIds" { "jobs" } else { field })
}

fn respond(status: StatusCode, faults: &[Fault]) -> Response {
    (status, Json(json!({ "errors": faults }))).into_response()
}

/// Shows an error.
pub fn render(error: &Error) -> Response {
    let fault = Fault { field: field(error), reason: reason(error) };
    let mut response = respond(status(error.kind), &[fault]);
    refusal::advise(error, response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_fault_without_a_field_has_no_such_member() {
        let fault = |field| serde_json::to_string(&Fault { field, reason: "r".into() }).unwrap();
        assert_eq!(fault(None), r#"{"reason":"r"}"#);
        assert_eq!(fault(Some("tags")), r#"{"field":"tags","reason":"r"}"#);
    }
}
