//! Rows of tokens. The secret itself is never here.

use super::users;
use crate::db::{Database, Row, Tx, Write};
use ropewalk_core::port::{NewToken, StoreError, Token, User};
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::{TokenId, UserId};
use ropewalk_model::time::Time;
use std::time::Duration;

pub(super) const CREATE: Write = Write::durable("make a token");
pub(super) const REVOKE: Write = Write::durable("revoke a token");
const NOTE_USE: Write = Write::relaxed("note when a token was used");

/// How exact the time of the last use is.
const USE_RESOLUTION: Duration = Duration::from_secs(60);

const COLUMNS: &str = "id, user_id, grants, comment, created, expires, last_used";

pub(super) async fn create(tx: &Tx, (new, now): &(NewToken, Time)) -> Result<Token, StoreError> {
    let sql = format!(
        "INSERT INTO tokens (user_id, hash, grants, comment, created, expires)
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING RETURNING {COLUMNS}"
    );
    let values = vec![
        new.user.0.into(),
        new.hash.as_str().into(),
        grants_text(&new.grants)?.into(),
        new.comment.clone().into(),
        now.0.into(),
        new.expires.map(|at| at.0).into(),
    ];
    match tx.query_one(&sql, values).await? {
        Some(row) => token(&row),
        None => Err(StoreError::Conflict("there is a token with this secret already".into())),
    }
}

pub(super) async fn by_hash(
    db: &Database,
    hash: &str,
    now: Time,
) -> Result<Option<(Token, User)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1 AND (expires IS NULL OR expires > $2)");
    let Some(row) = db.query_one("look up a token", &sql, vec![hash.into(), now.0.into()]).await? else {
        return Ok(None);
    };
    let mut token = token(&row)?;
    let Some(user) = users::by_id(db, token.user).await? else {
        return Err(StoreError::Corrupt(format!("token {} of nobody", token.id)));
    };
    if token.last_used.is_none_or(|last| now.since(last) >= USE_RESOLUTION) {
        token.last_used = Some(now);
        note_use_later(db, token.id, now);
    }
    Ok(Some((token, user)))
}

/// Requests do not wait for this, and do not fail with it.
fn note_use_later(db: &Database, id: TokenId, now: Time) {
    let db = db.clone();
    tokio::spawn(async move {
        if let Err(e) = db.write(NOTE_USE, (id, now), note_use).await {
            tracing::warn!(error = %e, token = id.0, "the use of a token was not noted");
        }
    });
}

async fn note_use(tx: &Tx, (id, now): &(TokenId, Time)) -> Result<(), StoreError> {
    let sql = "UPDATE tokens SET last_used = $2 WHERE id = $1 AND (last_used IS NULL OR last_used < $2)";
    tx.execute(sql, vec![id.0.into(), now.0.into()]).await.map(|_| ())
}

pub(super) async fn list(db: &Database, user: UserId, now: Time) -> Result<Vec<Token>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM tokens WHERE user_id = $1 AND (expires IS NULL OR expires > $2) ORDER BY id"
    );
    let rows = db.query_all("list the tokens", &sql, vec![user.0.into(), now.0.into()]).await?;
    rows.iter().map(token).collect()
}

pub(super) async fn revoke(tx: &Tx, (user, id): &(UserId, TokenId)) -> Result<(), StoreError> {
    let sql = "DELETE FROM tokens WHERE id = $1 AND user_id = $2";
    match tx.execute(sql, vec![id.0.into(), user.0.into()]).await? {
        0 => Err(StoreError::Missing(format!("token {id}"))),
        _ => Ok(()),
    }
}

fn token(row: &Row) -> Result<Token, StoreError> {
    let grants: String = row.get("grants")?;
    Ok(Token {
        id: TokenId(row.get("id")?),
        user: UserId(row.get("user_id")?),
        grants: serde_json::from_str(&grants)
            .map_err(|e| StoreError::Corrupt(format!("the grants of a token: {e}")))?,
        comment: row.get("comment")?,
        created: Time(row.get("created")?),
        expires: row.get::<Option<i64>>("expires")?.map(Time),
        last_used: row.get::<Option<i64>>("last_used")?.map(Time),
    })
}

/// JSON, because no grants at all and all grants are the same in the written form.
fn grants_text(grants: &Grants) -> Result<String, StoreError> {
    serde_json::to_string(grants).map_err(|e| StoreError::Corrupt(format!("the grants of a token: {e}")))
}
