//! A person's tokens.

use super::failure::Failure;
use super::form::{Fields, Sent};
use super::frame::{Frame, answer, page};
use super::show::When;
use crate::Web;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use ropewalk_core::access;
use ropewalk_core::error::Error;
use ropewalk_core::identity::{COMMENT_MAX, TokenWish};
use ropewalk_core::port::Token;
use ropewalk_http::parts::Address;
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::TokenId;
use std::time::Duration;

/// Grants of the form, and what they are about.
const SCOPES: [(&str, &str); 4] = [
    ("PROFILE", "your account and its tokens"),
    ("JOBS", "jobs and groups"),
    ("LOGS", "what jobs print"),
    ("SECRETS", "secrets that jobs may use"),
];
const DAY: u64 = 24 * 3600;

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    rows: Vec<Row>,
    /// What the new token is for, and its secret.
    made: Option<(String, String)>,
    problem: Option<String>,
    comment_max: usize,
}

struct Row {
    number: i64,
    comment: String,
    grants: Vec<String>,
    expires: Option<When>,
    used: Option<When>,
}

impl TokensPage {
    fn scopes(&self) -> [(&'static str, &'static str); 4] {
        SCOPES
    }
}

pub(super) async fn show(State(web): State<Web>, frame: Frame) -> Result<Response, Failure> {
    Ok(page(&sheet(&web, frame, None, None).await?))
}

/// Shows the new token at once: its secret is in this answer and nowhere else.
pub(super) async fn create(
    State(web): State<Web>,
    frame: Frame,
    Sent(fields): Sent,
) -> Result<Response, Failure> {
    let user = access::owner(&frame.by)?.name.clone();
    let made = match wish(&fields) {
        Ok(wish) => web.farm.create_token(&frame.by, &user, wish).await,
        Err(error) => Err(error),
    };
    match made {
        Ok((token, secret)) => {
            let made = (comment(&token), secret.reveal().to_string());
            Ok(answer(StatusCode::CREATED, &sheet(&web, frame, Some(made), None).await?))
        }
        Err(error) if error.field.is_some() => {
            let template = sheet(&web, frame, None, Some(error.message)).await?;
            Ok(answer(StatusCode::BAD_REQUEST, &template))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn revoke(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<TokenId>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let user = access::owner(&frame.by)?.name.clone();
    web.farm.revoke_token(&frame.by, &user, number).await?;
    Ok(Redirect::to("/-/tokens").into_response())
}

/// `grants` as text, or one field for each scope; `days`, none for ever.
fn wish(fields: &Fields) -> Result<TokenWish, Error> {
    let mut words: Vec<String> = fields.text("grants").map(String::from).into_iter().collect();
    for (scope, _) in SCOPES {
        if let Some(mode @ ("RO" | "RW")) = fields.text(scope) {
            words.push(format!("{scope}:{mode}"));
        }
    }
    let text = words.join(" ");
    if text.is_empty() && fields.get("everything").is_none() {
        return Err(Error::malformed("choose what it may do, or that it may do everything").about("grants"));
    }
    let grants = Grants::parse(&text).map_err(|error| Error::malformed(error.to_string()).about("grants"))?;
    let lifetime =
        match fields.text("days") {
            None => None,
            Some(days) => Some(days.parse::<u16>().ok().filter(|days| *days > 0).ok_or_else(|| {
                Error::malformed(format!("{days:?} is no number of days")).about("lifetime")
            })?),
        };
    Ok(TokenWish {
        grants,
        comment: fields.text("comment").map(String::from),
        lifetime: lifetime.map(|days| Duration::from_secs(u64::from(days) * DAY)),
    })
}

async fn sheet(
    web: &Web,
    frame: Frame,
    made: Option<(String, String)>,
    problem: Option<String>,
) -> Result<TokensPage, Error> {
    let user = access::owner(&frame.by)?.name.clone();
    let now = web.farm.now();
    let tokens = web.farm.tokens(&frame.by, &user).await?;
    let rows = tokens.into_iter().rev().map(|token| Row {
        number: token.id.0,
        comment: comment(&token),
        grants: match &token.grants {
            Grants::All => vec![],
            some => some.to_string().split(' ').map(String::from).collect(),
        },
        expires: token.expires.map(|at| When::new(at, now)),
        used: token.last_used.map(|at| When::new(at, now)),
    });
    Ok(TokensPage {
        rows: rows.collect(),
        made,
        problem,
        comment_max: COMMENT_MAX,
        frame: frame.at("tokens"),
    })
}

fn comment(token: &Token) -> String {
    token
        .comment
        .clone()
        .filter(|comment| !comment.is_empty())
        .unwrap_or_else(|| format!("token {}", token.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(form: &str) -> Result<String, String> {
        let wish = wish(&Fields::read(form.as_bytes())).map_err(|error| error.message)?;
        Ok(format!("{} {:?}", wish.grants, wish.lifetime.map(|lifetime| lifetime.as_secs() / DAY)))
    }

    #[test]
    fn a_form_becomes_grants() {
        assert_eq!(grants("JOBS=RW&LOGS=RO&PROFILE=&days=90").unwrap(), "JOBS:RW LOGS:RO Some(90)");
        assert_eq!(grants("everything=1").unwrap(), " None");
        assert_eq!(grants("grants=builds.sr.ht/JOBS:RW").unwrap(), "JOBS:RW None");
        for bad in [
            "",
            "JOBS=",
            "JOBS=XX",
            "grants=CATS",
            "everything=1&days=0",
            "everything=1&days=-1",
            "everything=1&days=99999",
        ] {
            assert!(grants(bad).is_err(), "{bad}");
        }
    }
}
