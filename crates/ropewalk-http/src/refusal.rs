//! What all doors say about an error, each in its own form.

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue};
use ropewalk_core::error::{Error, Kind};

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
