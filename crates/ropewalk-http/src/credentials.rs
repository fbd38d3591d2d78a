//! Tokens as clients send them.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Vieter's header.
const API_KEY: &str = "x-api-key";

/// What came in place of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// This text; whether it is a token is for the core to say.
    Token(&'a str),
    /// An `Authorization` header that no door knows.
    Unreadable,
}

/// Reads `Authorization: Bearer T`, `Authorization: token T` and `X-Api-Key: T`; schemes in any case. A second header
/// of the same name makes it unreadable: proxies and servers disagree on which one counts.
pub fn presented(headers: &HeaderMap) -> Presented<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter().chain(headers.get_all(API_KEY));
    let Some(value) = values.next() else { return Presented::Nothing };
    let (Ok(text), None) = (value.to_str(), values.next()) else { return Presented::Unreadable };
    if headers.contains_key(API_KEY) {
        return Presented::Token(text.trim());
    }
    match text.trim().split_once(' ') {
        Some((scheme, token)) if is_known(scheme) => Presented::Token(token.trim()),
        _ => Presented::Unreadable,
    }
}

fn is_known(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn reads_the_three_forms() {
        for pair in [
            ("authorization", "Bearer T"),
            ("authorization", "bEARER  T "),
            ("authorization", "token T"),
            ("x-api-key", "T"),
        ] {
            assert_eq!(presented(&headers(&[pair])), Presented::Token("T"), "{pair:?}");
        }
        assert_eq!(presented(&headers(&[])), Presented::Nothing);
    }

    #[test]
    fn refuses_to_guess() {
        let unreadable: &[&[(&str, &str)]] = &[
            &[("authorization", "Basic eDp5")],
            &[("authorization", "Bearer")],
            &[("authorization", "")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
        ];
        for pairs in unreadable {
            assert_eq!(presented(&headers(pairs)), Presented::Unreadable, "{pairs:?}");
        }
    }
}
