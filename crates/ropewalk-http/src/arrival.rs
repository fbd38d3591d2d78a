//! Requests as they arrive: for one host, and with a body that does not keep anybody waiting.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use futures_util::stream::{self, StreamExt};
use http::Version;
use http::header::HOST;
use http::uri::Authority;
use std::time::Duration;
use tokio::time::Instant;

/// Why a request is refused that says unclearly which host it is for; none if it says so once (RFC 9112, 3.2). Proxies
/// and servers disagree on which of several counts.
pub fn refusal<B>(request: &http::Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() < Version::HTTP_11 => None,
        (None, _) => Some("the request has no header Host"),
        (Some(_), Some(_)) => Some("the request has several headers Host"),
        (Some(host), None) => (!is_host(host.as_bytes())).then_some("the header Host is no host"),
    }
}

/// A host with or without a port; nothing is one for addresses that have none (RFC 9112, 3.2).
fn is_host(text: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(text) else { return text.is_empty() };
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| port.is_empty() || authority.port_u16().is_some())
}

/// Bytes a second that a large body arrives with at least.
pub const SLOWEST: u64 = 64 << 10;

/// The same request with a body that breaks off when nothing of it arrives for `patience`, or when it is not whole after
/// `within` and a second more for each [`SLOWEST`] bytes that did arrive: what was announced counts for nothing.
pub fn hurry(request: Request, patience: Duration, within: Duration) -> Request {
    let begun = Instant::now();
    request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::from_stream(stream::try_unfold(
            (body.into_data_stream(), 0),
            move |(mut pieces, arrived)| async move {
                let whole_by = begun + within + Duration::from_secs(arrived / SLOWEST);
                let late = (Instant::now() + patience).min(whole_by);
                match tokio::time::timeout_at(late, pieces.next()).await {
                    Ok(Some(piece)) => piece.map(|piece| {
                        let arrived = arrived.saturating_add(piece.len() as u64);
                        Some((piece, (pieces, arrived)))
                    }),
                    Ok(None) => Ok(None),
                    Err(_) => Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::TimedOut))),
                }
            },
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn with(hosts: &[&'static [u8]], version: Version) -> Option<&'static str> {
        let mut request = http::Request::builder().version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        refusal(&request.body(()).unwrap())
    }

    #[test]
    fn a_request_is_for_one_host() {
        for host in ["", "h", "example.org", "example.org:8420", "127.0.0.1:1", "[::1]:8420", "xn--a"] {
            assert_eq!(with(&[host.as_bytes()], Version::HTTP_11), None, "{host}");
        }
        for host in ["a b", "h\"", "a/b", "user@h", "h:x", "<script>", "[::1", "a,b c"] {
            assert!(with(&[host.as_bytes()], Version::HTTP_11).is_some(), "{host}");
        }
        assert!(with(&[b"\xff"], Version::HTTP_11).is_some());
        assert!(with(&[b"a", b"a"], Version::HTTP_11).is_some());
        assert!(with(&[], Version::HTTP_11).is_some() && with(&[], Version::HTTP_10).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_breaks_off() {
        let drip = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        });
        let wait = async |body: Body, patience| {
            let (begun, patience) = (Instant::now(), Duration::from_secs(patience));
            let request = hurry(Request::new(body), patience, Duration::from_secs(20));
            let read = axum::body::to_bytes(request.into_body(), 100).await;
            (read.is_ok(), begun.elapsed().as_secs())
        };
        assert_eq!(wait(Body::from("abc"), 3).await, (true, 0));
        assert_eq!(
            wait(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()), 3).await,
            (false, 3)
        );
        assert_eq!(wait(Body::from_stream(drip), 5).await, (false, 20));
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_has_the_time_that_it_needs() {
        let pieces = stream::unfold(0, |sent| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (sent < 60).then(|| (Ok::<_, std::io::Error>(vec![0; 2 * SLOWEST as usize]), sent + 1))
        });
        let request =
            hurry(Request::new(Body::from_stream(pieces)), Duration::from_secs(3), Duration::from_secs(20));
        let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        assert_eq!(read.unwrap().len(), 120 * SLOWEST as usize);
    }
}
