//! Logging in and out.

use crate::answer::Failed;
use crate::door::Hydra;
use crate::fields::Fields;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use ropewalk_core::access;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::identity::SESSION_LASTS;
use ropewalk_core::port::User;
use ropewalk_http::gate::Client;
use ropewalk_http::parts::By;
use ropewalk_http::session::Session;
use ropewalk_model::secret::Secret;
use serde::Serialize;

#[derive(Serialize)]
struct UserView<'a> {
    username: &'a str,
    fullname: Option<&'a str>,
    emailaddress: &'a str,
    userroles: Vec<String>,
}

fn view(user: &User) -> Response {
    let view = UserView {
        username: &user.name,
        fullname: user.full_name.as_deref(),
        emailaddress: &user.email,
        userroles: user.roles.iter().map(ToString::to_string).collect(),
    };
    Json(view).into_response()
}

/// Turns name and password into a session, which ends the one that came with the request.
pub(crate) async fn log_in(
    State(hydra): State<Hydra>,
    client: Client,
    before: Option<Extension<Session>>,
    mut fields: Fields,
) -> Result<Response, Failed> {
    let (name, password) = (fields.text("username")?, fields.text("password")?);
    if name.is_empty() || password.is_empty() {
        return Err(Error::malformed("a log-in takes `username` and `password`").into());
    }
    hydra.cookies.allowed()?;
    hydra.rates.login(client.0)?;
    let (user, session) = hydra.farm.open_session(&name, Secret::new(password)).await.map_err(refused)?;
    if let Some(Extension(before)) = before {
        hydra.farm.close_session(&before.secret).await?;
    }
    let mut response = view(&user);
    hydra.cookies.give(&mut response, session.reveal(), SESSION_LASTS.as_secs());
    Ok(response)
}

/// A wrong password asks for no token.
fn refused(error: Error) -> Error {
    match error.kind {
        Kind::Unauthenticated => Error { kind: Kind::Forbidden, ..error },
        _ => error,
    }
}

/// Who asks.
pub(crate) async fn show(By(by): By) -> Result<Response, Failed> {
    Ok(view(access::owner(&by)?))
}

/// Ends the session.
pub(crate) async fn log_out(
    State(hydra): State<Hydra>,
    session: Option<Extension<Session>>,
) -> Result<Response, Failed> {
    if let Some(Extension(session)) = session {
        hydra.farm.close_session(&session.secret).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    hydra.cookies.take_back(&mut response);
    Ok(response)
}
