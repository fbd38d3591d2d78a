//! The rule that what a page sends comes from a page of this server.

use http::header::{AUTHORIZATION, HOST, ORIGIN, REFERER};
use http::{HeaderMap, Method, Uri};
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::negotiation::{Format, format};

/// Passes a `POST` whose `Referer` (`Origin`, where there is none) lies on this server, and all that comes with a token,
/// which no browser adds by itself.
pub(crate) fn check(method: &Method, headers: &HeaderMap, own: &str) -> Result<(), Error> {
    if *method != Method::POST || headers.contains_key(AUTHORIZATION) {
        return Ok(());
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let from = text(REFERER).or_else(|| text(ORIGIN));
    let host = text(HOST).unwrap_or_default();
    match from.is_some_and(|from| is_below(from, own) || is_of_host(from, host)) {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Forbidden,
            "this must come from a page of this server: send its address as `Referer` or `Origin`",
        )),
    }
}

/// Passes an order that a program gives by `GET`, as old scripts do: with a token, or by asking for JSON. No link makes
/// a browser do either, and a link is all that others can put even on pages of this server; these give orders by `POST`.
/// Where a browser says which site asks, that must be this one.
pub(crate) fn check_order(method: &Method, headers: &HeaderMap, own: &str) -> Result<(), Error> {
    if *method != Method::GET {
        return check(method, headers, own);
    }
    let is_programs = format(method, &Uri::from_static("/"), headers) == Format::Json;
    let is_foreign =
        headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    match headers.contains_key(AUTHORIZATION) || (is_programs && !is_foreign) {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Forbidden,
            "a link gives no orders: use the button on the page of the build or evaluation, send this by POST, or ask \
             for JSON",
        )),
    }
}

/// An address without a slash after the host is the host's own.
fn is_below(address: &str, own: &str) -> bool {
    address.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_of_host(address: &str, host: &str) -> bool {
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    !host.is_empty() && rest.is_some_and(|rest| is_below(rest, host))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    fn passes(method: Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("farm:80"));
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check(&method, &headers, "https://farm.example").is_ok()
    }

    #[test]
    fn a_post_comes_from_this_server() {
        let post = |pairs: &[_]| passes(Method::POST, pairs);
        for good in [
            ("referer", "https://farm.example"),
            ("referer", "https://farm.example/login?x"),
            ("origin", "https://farm.example"),
            ("referer", "http://farm:80/"),
            ("authorization", "Bearer x"),
        ] {
            assert!(post(&[good]), "{good:?}");
        }
        for bad in [
            ("referer", "https://farm.example.evil/"),
            ("referer", "https://evil/?https://farm.example/"),
            ("origin", "null"),
            ("referer", ""),
            ("x", "y"),
        ] {
            assert!(!post(&[bad]), "{bad:?}");
        }
        assert!(!post(&[("referer", "https://evil/"), ("origin", "https://farm.example")]));
        assert!(passes(Method::PUT, &[]) && passes(Method::DELETE, &[("referer", "https://evil/")]));
    }

    #[test]
    fn a_link_gives_no_orders() {
        let order = |pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            check_order(&Method::GET, &headers.collect(), "https://farm.example").is_ok()
        };
        let json = ("accept", "application/json");
        for good in [("authorization", "Bearer x"), json, ("content-type", "application/json")] {
            assert!(order(&[good]), "{good:?}");
        }
        assert!(order(&[json, ("sec-fetch-site", "same-origin")]));
        // A page of ours may hold a link that a stranger wrote.
        let ours = [("referer", "https://farm.example/build/1"), ("sec-fetch-site", "same-origin")];
        assert!(!order(&[]) && !order(&ours) && !order(&[("accept", "text/html")]));
        for foreign in ["cross-site", "same-site"] {
            assert!(!order(&[json, ("sec-fetch-site", foreign)]), "{foreign}");
        }
    }
}
