//! Answers that carry bytes which a build wrote: attacker's bytes.

use crate::range::{Wanted, wanted};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropewalk_core::error::Error;
use std::sync::Arc;

/// Bytes read and sent at once.
const PIECE: u64 = 256 << 10;
/// Nothing runs, nothing loads, wherever a browser shows it.
const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
/// RFC 8187 attr-char.
const ATTR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Reads bytes `from..from + length`, fewer at the end.
pub trait Source: Send + Sync + 'static {
    /// Some bytes; none means that there are no more.
    fn read(&self, from: u64, length: usize) -> impl Future<Output = Result<Vec<u8>, Error>> + Send;
}

/// Answers with the whole or the part that the request's headers ask for. `size` is what is there now; bytes that
/// come later are not sent.
pub fn answer(request: &HeaderMap, size: u64, content_type: &'static str, source: impl Source) -> Response {
    let (status, from, to) = match wanted(request, size) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to),
        Wanted::Unsatisfiable => return unsatisfiable(size),
    };
    let mut response = (status, body(Arc::new(source), from, to)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, (to - from).into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    if status == StatusCode::PARTIAL_CONTENT {
        set(headers, CONTENT_RANGE, &format!("bytes {from}-{}/{size}", to - 1));
    }
    response
}

/// Makes an answer a download under a file name of the build's choosing.
pub fn attach(response: &mut Response, path: &str) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-+".contains(c) { c } else { '_' })
        .take(200)
        .collect();
    let encoded = utf8_percent_encode(name, ATTR);
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    set(response.headers_mut(), CONTENT_DISPOSITION, &text);
}

fn unsatisfiable(size: u64) -> Response {
    let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn body(source: Arc<impl Source>, from: u64, to: u64) -> Body {
    Body::from_stream(stream::try_unfold((source, from), move |(source, at)| async move {
        if at >= to {
            return Ok(None);
        }
        let length = usize::try_from((to - at).min(PIECE)).unwrap_or(usize::MAX);
        // In a task of its own: see `ahead`.
        let reading = tokio::spawn({
            let source = source.clone();
            async move { source.read(at, length).await }
        });
        let bytes = reading.await?.map_err(|error| std::io::Error::other(error.to_string()))?;
        if bytes.is_empty() {
            // The connection breaks, so that the client sees that the answer is not whole.
            return Err(std::io::Error::other("bytes that were there are gone"));
        }
        let next = at + bytes.len() as u64;
        Ok(Some((Bytes::from(bytes), (source, next))))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::RANGE;
    use http_body_util::BodyExt;

    struct Digits(Vec<u8>);

    impl Source for Digits {
        async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
            Ok(self.0.iter().skip(from as usize).take(length).copied().collect())
        }
    }

    async fn get(range: Option<&'static str>, size: usize) -> (StatusCode, Option<String>, Vec<u8>) {
        let mut headers = HeaderMap::new();
        if let Some(range) = range {
            headers.insert(RANGE, HeaderValue::from_static(range));
        }
        let bytes: Vec<u8> = (0..size).map(|n| b'0' + (n % 10) as u8).collect();
        let response = answer(&headers, size as u64, "text/plain; charset=utf-8", Digits(bytes));
        let content_range = response.headers().get(CONTENT_RANGE).map(|v| v.to_str().unwrap().to_string());
        let status = response.status();
        (status, content_range, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    #[tokio::test]
    async fn sends_exactly_the_bytes_asked_for() {
        let (status, range, body) = get(Some("bytes=3-6"), 10).await;
        assert_eq!(
            (status, range.as_deref(), body.as_slice()),
            (StatusCode::PARTIAL_CONTENT, Some("bytes 3-6/10"), &b"3456"[..])
        );
        let size = 3 * PIECE as usize + 5;
        let (status, range, body) = get(None, size).await;
        assert_eq!((status, range, body.len()), (StatusCode::OK, None, size));
    }

    #[tokio::test]
    async fn names_the_size_when_nothing_is_there() {
        let (status, range, body) = get(Some("bytes=10-"), 10).await;
        assert_eq!(
            (status, range.as_deref(), body.len()),
            (StatusCode::RANGE_NOT_SATISFIABLE, Some("bytes */10"), 0)
        );
    }

    #[test]
    fn a_file_name_cannot_break_out_of_its_header() {
        let mut response = ().into_response();
        attach(&mut response, "out/a\"b\r\nSet-Cookie: x;é.html");
        let value = response.headers().get(CONTENT_DISPOSITION).unwrap().to_str().unwrap();
        assert_eq!(
            value,
            "attachment; filename=\"a_b__Set-Cookie__x__.html\"; filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20x%3B%C3%A9.html"
        );
    }
}
