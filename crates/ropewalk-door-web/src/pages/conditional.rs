//! Answers that are asked for again and again, and rarely change: `304 Not Modified` to whoever has the present one.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};
use ropewalk_model::time::Time;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// A change within this time before now may be followed by another one with the same date.
const SETTLED: Duration = Duration::from_secs(2);

/// Something that a program fetches regularly.
pub(super) struct Fetched {
    pub(super) kind: &'static str,
    /// Each fetch asks again: `no-cache`, or `private, no-cache` for what only one person may see.
    pub(super) cache: &'static str,
    /// When what it is made from changed last.
    pub(super) modified: Option<Time>,
    pub(super) body: String,
}

impl Fetched {
    /// The answer to a request with these headers. A body's digest is its tag; a date is compared for being the same
    /// one, since what is fetched can also become what it was before.
    pub(super) fn answer(self, asked: &HeaderMap, now: Time) -> Response {
        let tag = tag(&self.body);
        let modified = self.modified.filter(|at| now.since(*at) >= SETTLED).map(date);
        let is_known = match asked.get(IF_NONE_MATCH) {
            Some(_) => asked.get_all(IF_NONE_MATCH).iter().any(|known| names(known, &tag)),
            None => modified.as_ref().is_some_and(|date| {
                asked.get(IF_MODIFIED_SINCE).is_some_and(|known| known.as_bytes() == date.as_bytes())
            }),
        };
        let validators = [(CACHE_CONTROL, self.cache.to_string()), (ETAG, tag)];
        let dated = modified.map(|date| [(LAST_MODIFIED, date)]);
        match (is_known, dated) {
            (true, Some(dated)) => (StatusCode::NOT_MODIFIED, validators, dated).into_response(),
            (true, None) => (StatusCode::NOT_MODIFIED, validators).into_response(),
            (false, Some(dated)) => {
                (validators, dated, [(CONTENT_TYPE, self.kind)], self.body).into_response()
            }
            (false, None) => (validators, [(CONTENT_TYPE, self.kind)], self.body).into_response(),
        }
    }
}

fn tag(body: &str) -> String {
    let hex: String = hex::encode(Sha256::digest(body.as_bytes())).chars().take(32).collect();
    format!("\"{hex}\"")
}

/// Whether one of the tags of `If-None-Match` is this one, by the weak comparison of RFC 9110, 13.1.2.
fn names(known: &HeaderValue, tag: &str) -> bool {
    let Ok(known) = known.to_str() else { return false };
    known.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// `Wed, 01 Jul 2026 10:00:00 GMT`.
fn date(at: Time) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: Time = Time(1_782_900_000_000_000);
    const DATE: &str = "Wed, 01 Jul 2026 10:00:00 GMT";

    fn status(headers: &[(http::HeaderName, &str)], seconds: u64) -> u16 {
        let fetched =
            Fetched { kind: "text/plain", cache: "no-cache", modified: Some(THEN), body: "x".into() };
        let mut asked = HeaderMap::new();
        for (name, value) in headers {
            asked.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let response = fetched.answer(&asked, THEN.plus(Duration::from_secs(seconds)));
        assert_eq!(response.headers()[ETAG], tag("x"));
        assert_eq!(response.headers().contains_key(LAST_MODIFIED), seconds >= 2);
        response.status().as_u16()
    }

    #[test]
    fn who_has_the_present_one_gets_no_other() {
        let tag = tag("x");
        for same in [tag.clone(), format!("W/{tag}"), format!("\"a\" , {tag},\"b\""), "*".into()] {
            assert_eq!(status(&[(IF_NONE_MATCH, &same)], 9), 304, "{same}");
        }
        assert_eq!(status(&[(IF_NONE_MATCH, "\"a\""), (IF_NONE_MATCH, &tag)], 9), 304);
        for other in ["\"a\"", "", "x", "\u{e9}"] {
            assert_eq!(status(&[(IF_NONE_MATCH, other)], 9), 200, "{other}");
        }
        assert_eq!(status(&[], 9), 200);
    }

    #[test]
    fn a_date_counts_without_a_tag_once_nothing_can_change_within_it() {
        assert_eq!(status(&[(IF_MODIFIED_SINCE, DATE)], 9), 304);
        assert_eq!(status(&[(IF_MODIFIED_SINCE, DATE)], 1), 200);
        assert_eq!(status(&[(IF_MODIFIED_SINCE, "Thu, 02 Jul 2026 10:00:00 GMT")], 9), 200);
        assert_eq!(status(&[(IF_MODIFIED_SINCE, DATE), (IF_NONE_MATCH, "\"a\"")], 9), 200);
    }
}
