//! Users and tokens.

use super::view::{NewTokenView, TokenView, UserView};
use crate::Web;
use crate::answer::{Failed, Refusal};
use crate::args::{Asked, Body};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use ropewalk_core::access;
use ropewalk_core::error::Error;
use ropewalk_core::identity::{Newcomer, TokenWish};
use ropewalk_core::port::Role;
use ropewalk_http::gate::Client;
use ropewalk_http::parts::{Address, By};
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::TokenId;
use ropewalk_model::secret::Secret;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Users of one part of the list.
const PAGE: u32 = 100;

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// Name of the user.
    name: String,
    /// Their password.
    password: String,
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// `[a-z_][a-z0-9_-]*`, at most 32 characters.
    name: String,
    /// Mail address.
    #[serde(default)]
    email: String,
    /// Of `admin create-projects restart-jobs cancel-build bump-to-front eval-jobset`.
    #[serde(default)]
    roles: Vec<String>,
    /// At least 8 characters; none: the account has no password.
    password: Option<String>,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// At least 8 characters.
    password: String,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// Such as `JOBS:RW LOGS`; empty: all that the user may do.
    #[serde(default)]
    grants: String,
    /// What it is for.
    comment: Option<String>,
    /// Seconds that it is valid; none: until it is revoked.
    lifetime: Option<u64>,
}

/// Which part of the list of users is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsersAsked {
    /// Only names after this one.
    after: Option<String>,
}

/// Turns name and password into a token that lasts 30 days.
#[utoipa::path(post, path = "/api/n1/login", tag = "accounts", request_body = LogIn, responses(
    (status = 201, body = NewTokenView),
    (status = 400, body = Refusal),
    (status = 401, body = Refusal),
    (status = 429, body = Refusal, description = "Too many tries from this address"),
))]
pub(crate) async fn log_in(
    State(web): State<Web>,
    client: Client,
    Body(LogIn { name, password }): Body<LogIn>,
) -> Result<(StatusCode, Json<NewTokenView>), Failed> {
    web.rates.login(client.0)?;
    let (user, token, secret) = web.farm.log_in(&name, Secret::new(password)).await?;
    Ok((StatusCode::CREATED, Json(new_token(user.name, token, &secret))))
}

/// The caller's own account.
#[utoipa::path(get, path = "/api/n1/user", tag = "accounts", security(("token" = [])), responses(
    (status = 200, body = UserView),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
))]
pub(crate) async fn own(By(by): By) -> Result<Json<UserView>, Failed> {
    Ok(Json(access::owner(&by)?.clone().into()))
}

/// All users by name, 100 at a time.
#[utoipa::path(get, path = "/api/n1/users", tag = "accounts", params(UsersAsked), security(("token" = [])), responses(
    (status = 200, body = [UserView]),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
))]
pub(crate) async fn list(
    State(web): State<Web>,
    By(by): By,
    Asked(asked): Asked<UsersAsked>,
) -> Result<Json<Vec<UserView>>, Failed> {
    let users = web.farm.users(&by, asked.after.as_deref(), PAGE).await?;
    Ok(Json(users.into_iter().map(Into::into).collect()))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/n1/users", tag = "accounts", request_body = NewUser, security(("token" = [])), responses(
    (status = 201, body = UserView),
    (status = 400, body = Refusal),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 409, body = Refusal, description = "The name is taken"),
))]
pub(crate) async fn create(
    State(web): State<Web>,
    By(by): By,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Failed> {
    let role = |word: &String| {
        word.parse::<Role>().map_err(|_| Error::malformed(format!("{word:?} is no role")).about("roles"))
    };
    let newcomer = Newcomer {
        roles: new.roles.iter().map(role).collect::<Result<_, _>>()?,
        name: new.name,
        email: new.email,
        password: new.password.map(Secret::new),
    };
    let user = web.farm.create_user(&by, newcomer).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// A user.
#[utoipa::path(get, path = "/api/n1/users/{name}", tag = "accounts", params(("name" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = UserView),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn show(
    State(web): State<Web>,
    By(by): By,
    Address(name): Address<String>,
) -> Result<Json<UserView>, Failed> {
    Ok(Json(web.farm.user(&by, &name).await?.into()))
}

/// Replaces a user's password.
#[utoipa::path(put, path = "/api/n1/users/{name}/password", tag = "accounts", params(("name" = String, Path)),
    request_body = NewPassword, security(("token" = [])), responses(
    (status = 204),
    (status = 400, body = Refusal),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn set_password(
    State(web): State<Web>,
    By(by): By,
    Address(name): Address<String>,
    Body(NewPassword { password }): Body<NewPassword>,
) -> Result<StatusCode, Failed> {
    web.farm.set_password(&by, &name, Secret::new(password)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user's valid tokens.
#[utoipa::path(get, path = "/api/n1/users/{name}/tokens", tag = "accounts", params(("name" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = [TokenView]),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn tokens(
    State(web): State<Web>,
    By(by): By,
    Address(name): Address<String>,
) -> Result<Json<Vec<TokenView>>, Failed> {
    Ok(Json(web.farm.tokens(&by, &name).await?.into_iter().map(Into::into).collect()))
}

/// Makes a token for a user. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/n1/users/{name}/tokens", tag = "accounts", params(("name" = String, Path)),
    request_body = NewToken, security(("token" = [])), responses(
    (status = 201, body = NewTokenView),
    (status = 400, body = Refusal),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn create_token(
    State(web): State<Web>,
    By(by): By,
    Address(name): Address<String>,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<NewTokenView>), Failed> {
    let grants =
        Grants::parse(&new.grants).map_err(|error| Error::malformed(error.to_string()).about("grants"))?;
    let wish = TokenWish {
        grants,
        comment: new.comment,
        lifetime: new.lifetime.map(std::time::Duration::from_secs),
    };
    let (token, secret) = web.farm.create_token(&by, &name, wish).await?;
    Ok((StatusCode::CREATED, Json(new_token(name, token, &secret))))
}

/// Ends a token at once.
#[utoipa::path(delete, path = "/api/n1/users/{name}/tokens/{token}", tag = "accounts",
    params(("name" = String, Path), ("token" = i64, Path)), security(("token" = [])), responses(
    (status = 204),
    (status = 401, body = Refusal),
    (status = 403, body = Refusal),
    (status = 404, body = Refusal),
))]
pub(crate) async fn revoke(
    State(web): State<Web>,
    By(by): By,
    Address((name, token)): Address<(String, TokenId)>,
) -> Result<StatusCode, Failed> {
    web.farm.revoke_token(&by, &name, token).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_token(user: String, token: ropewalk_core::port::Token, secret: &Secret) -> NewTokenView {
    NewTokenView { secret: secret.reveal().to_string(), user, token: token.into() }
}
