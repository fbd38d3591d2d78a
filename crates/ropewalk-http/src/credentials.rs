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
    /// Credentials of another scheme, which no door knows.
    OtherScheme,
    /// A known scheme without one token.
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
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    match token.trim() {
        _ if !is_known(scheme) => Presented::OtherScheme,
        "" => Presented::Unreadable,
        token => Presented::Token(token),
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
            &[("authorization", "Bearer")],
            &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
        ];
        for pairs in unreadable {
            assert_eq!(presented(&headers(pairs)), Presented::Unreadable, "{pairs:?}");
        }
        for other in ["Basic eDp5", "", "Foo", "Foo a b"] {
            assert_eq!(presented(&headers(&[("authorization", other)])), Presented::OtherScheme, "{other:?}");
        }
    }
}
