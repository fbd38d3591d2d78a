//! Logging in and out.

use super::failure::Failure;
use super::form::{Anybodys, Fields, Sent};
use super::frame::{Frame, answer, page};
use crate::Web;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode};
use ropewalk_core::error::Kind;
use ropewalk_core::identity::SESSION_LASTS;
use ropewalk_http::gate::Client;
use ropewalk_http::session::{Cookies, Session, refuse_strangers};
use ropewalk_model::secret::Secret;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    frame: Frame,
    name: &'a str,
    next: &'a str,
    problem: Option<&'a str>,
    is_refused: bool,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Response {
    let next = own_address(fields.get("next"));
    let is_refused = web.cookies == Cookies::Refused;
    page(&LoginPage { frame, name: "", next, problem: None, is_refused })
}

pub(super) async fn log_in(
    State(web): State<Web>,
    client: Client,
    frame: Frame,
    headers: HeaderMap,
    before: Option<axum::Extension<Session>>,
    Anybodys(fields): Anybodys,
) -> Result<Response, Failure> {
    refuse_strangers(&http::Method::POST, &headers, &web.farm.settings().origin)?;
    web.cookies.allowed()?;
    let (name, next) = (fields.text("name").unwrap_or_default(), own_address(fields.get("next")));
    web.rates.login(client.0)?;
    let password = Secret::new(fields.get("password").unwrap_or_default());
    match web.farm.open_session(name, password).await {
        Ok((_, session)) => {
            // Nobody holds the cookie of the session before any longer, so nobody could end it.
            if let Some(axum::Extension(before)) = before {
                web.farm.close_session(&before.secret).await?;
            }
            let mut response = Redirect::to(next).into_response();
            web.cookies.give(&mut response, session.reveal(), SESSION_LASTS.as_secs());
            Ok(response)
        }
        Err(error) if error.kind == Kind::Unauthenticated => {
            let problem = Some("Name and password do not match.");
            let template = LoginPage { frame, name, next, problem, is_refused: false };
            Ok(answer(StatusCode::UNAUTHORIZED, &template))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn log_out(
    State(web): State<Web>,
    session: Option<axum::Extension<Session>>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    if let Some(axum::Extension(session)) = session {
        web.farm.close_session(&session.secret).await?;
    }
    let mut response = Redirect::to("/").into_response();
    web.cookies.take_back(&mut response);
    Ok(response)
}

/// Where to go after a log-in: an address of this server, and nothing that a browser takes for another one.
fn own_address(next: Option<&str>) -> &str {
    let is_own = |next: &&str| {
        next.starts_with('/')
            && !next.starts_with("//")
            && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    };
    next.filter(is_own).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away_after_a_login() {
        assert_eq!(own_address(Some("/~ann/job/1?l=setup-3")), "/~ann/job/1?l=setup-3");
        for bad in
            ["", "x", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "/a b", "/\t/x"]
        {
            assert_eq!(own_address(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(own_address(None), "/");
    }
}
