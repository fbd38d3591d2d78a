//! Sessions as browsers send them: the cookie, and whether a request came from a page of ours.

use axum::response::Response;
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use ropewalk_core::error::{Error, Kind};

/// Name of the cookie; Hydra's, so that one session is good for its clients and for our pages.
pub const COOKIE_NAME: &str = "hydra_session";

/// How this server hands out cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    /// The public address is `https`.
    Secure,
    /// Without TLS, where nobody is between: on loopback, or because the administrator said so.
    Plain,
    /// Not at all: without TLS somebody on the way could take them.
    Refused,
}

impl Cookies {
    /// Passes when sessions are handed out.
    pub fn allowed(self) -> Result<(), Error> {
        match self {
            Cookies::Secure | Cookies::Plain => Ok(()),
            Cookies::Refused => {
                Err(Error::new(Kind::Forbidden, "this server hands out no cookies without TLS: use a token"))
            }
        }
    }

    /// Hands a session out with an answer.
    pub fn give(self, response: &mut Response, session: &str, seconds: u64) {
        self.set(response, session, seconds);
    }

    /// Lets a browser forget its session.
    pub fn take_back(self, response: &mut Response) {
        self.set(response, "", 0);
    }

    fn set(self, response: &mut Response, value: &str, seconds: u64) {
        if let Ok(value) = HeaderValue::from_str(&self.cookie(value, seconds)) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }

    fn cookie(self, value: &str, seconds: u64) -> String {
        let secure = if self == Cookies::Secure { "; Secure" } else { "" };
        format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }
}

/// The session of a request that the gate let in; put into its extensions.
#[derive(Clone, Debug)]
pub struct Session {
    /// The secret itself.
    pub secret: String,
    /// What its forms must carry.
    pub form_key: String,
}

/// The value of a cookie; the first one of that name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Refuses what a page of another site made a browser send: `Sec-Fetch-Site` says so, or an `Origin` that is neither
/// the address that was asked nor the server's own. Programs send neither header, and browsers always one of them.
pub fn refuse_strangers(method: &Method, headers: &HeaderMap, own: &str) -> Result<(), Error> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_ours = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => origin == own || text(HOST.as_str()).is_some_and(|host| is_of(origin, host)),
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "another site sent this in your name: if it was you, go to the page itself and do it there",
    ))
}

fn is_of(origin: &str, host: &str) -> bool {
    origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_this_server_and_for_no_script() {
        let plain = "hydra_session=ab; Path=/; Max-Age=9; HttpOnly; SameSite=Lax";
        assert_eq!(Cookies::Plain.cookie("ab", 9), plain);
        assert_eq!(Cookies::Secure.cookie("ab", 9), format!("{plain}; Secure"));
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn finds_its_cookie_among_others() {
        let headers = headers(&[("cookie", "a=b; hydra_session=abc;theme=dark"), ("cookie", "x=y=z")]);
        assert_eq!(cookie(&headers, COOKIE_NAME), Some("abc"));
        assert_eq!(cookie(&headers, "theme"), Some("dark"));
        assert_eq!(cookie(&headers, "x"), Some("y=z"));
        assert_eq!(cookie(&headers, "hydra"), None);
    }

    #[test]
    fn only_our_own_pages_send_in_a_users_name() {
        let own = "https://builds.example.org";
        let post =
            |pairs: &[(&'static str, &'static str)]| refuse_strangers(&Method::POST, &headers(pairs), own);
        for good in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none"), ("origin", "null")],
            &[("origin", "https://builds.example.org")],
            &[("origin", "http://127.0.0.1:8420"), ("host", "127.0.0.1:8420")],
        ] {
            assert!(post(good).is_ok(), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://builds.example.org")],
            &[("origin", "null"), ("host", "null")],
            &[("origin", "https://evil.example"), ("host", "builds.example.org")],
            &[("origin", "https://builds.example.org.evil.example")],
        ] {
            assert!(post(bad).is_err(), "{bad:?}");
        }
        assert!(refuse_strangers(&Method::GET, &headers(&[("sec-fetch-site", "cross-site")]), own).is_ok());
    }
}
