//! What all doors say about an error, each in its own form.

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use ropewalk_core::error::{Error, Kind};

/// The status of a refused request, where a dialect has none of its own.
pub fn status(kind: Kind) -> StatusCode {
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

/// What callers are told. What went wrong inside is for the log only.
pub fn words(error: &Error) -> String {
    match error.kind {
        Kind::Internal => {
            tracing::error!("a request failed: {error}");
            "something went wrong inside the server; its log says what".into()
        }
        _ => error.message.clone(),
    }
}

/// Says in headers what a client may do about an error: send a token, or wait.
pub fn advise(kind: Kind, headers: &mut HeaderMap) {
    match kind {
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::InvalidToken => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Kind::TooMany | Kind::Unavailable => drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn every_kind_has_a_status_that_says_whose_fault_it_is() {
        for kind in Kind::iter() {
            let server_fault = matches!(kind, Kind::Unavailable | Kind::Internal);
            assert_eq!(status(kind).is_server_error(), server_fault, "{kind}");
            assert_eq!(status(kind).is_client_error(), !server_fault, "{kind}");
        }
    }
}
