//! What all doors say about an error, each in its own form.

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use ropewalk_core::error::{Error, Kind};
use std::time::Duration;

/// The status of a refused request, where a dialect has none of its own.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::OtherScheme | Kind::InvalidToken => {
            StatusCode::UNAUTHORIZED
        }
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

/// The error of an address that no route has.
pub fn nothing_here() -> Error {
    Error::missing("such address")
}

/// The error of a method that an address does not take; `Allow` is set around it.
pub fn wrong_method(method: &Method) -> Error {
    Error::new(Kind::WrongMethod, format!("this address takes no {method}: see the header Allow"))
}

/// What callers are told. What went wrong inside goes to the log.
pub fn words(error: &Error) -> &str {
    if let Some(inside) = &error.inside {
        tracing::error!(kind = %error.kind, "a request failed: {inside}");
    }
    &error.message
}

/// What a client is told to wait when nobody knows how long it will take.
const A_WHILE: Duration = Duration::from_secs(5);

/// Says in headers what a client may do about an error: send a token, or wait so many seconds.
pub fn advise(error: &Error, headers: &mut HeaderMap) {
    match error.kind {
        Kind::Unauthenticated | Kind::UnreadableToken | Kind::OtherScheme | Kind::InvalidToken => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Kind::TooMany | Kind::Unavailable => {
            let wait = error.retry_after.unwrap_or(A_WHILE);
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        _ => {}
    }
}

/// Rounded up, so that whoever waits for them is not early; at least one.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
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

    #[test]
    fn the_seconds_to_wait_are_rounded_up() {
        let told = |error: Error| {
            let mut headers = HeaderMap::new();
            advise(&error, &mut headers);
            headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_string())
        };
        let too_many = || Error::new(Kind::TooMany, "x");
        for (wait, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (5999, "6"), (6000, "6")] {
            assert_eq!(
                told(too_many().until(Duration::from_millis(wait))).as_deref(),
                Some(seconds),
                "{wait}"
            );
        }
        assert_eq!(told(too_many()).as_deref(), Some("5"));
        assert_eq!(told(Error::malformed("x").until(Duration::from_secs(1))), None);
    }
}
