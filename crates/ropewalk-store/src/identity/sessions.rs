//! Rows of sessions. The secret itself is never here.

use super::users;
use crate::db::{Database, Tx, Write};
use ropewalk_core::port::{NewSession, StoreError, User};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;

pub(super) const CREATE: Write = Write::durable("make a session");
pub(super) const END: Write = Write::durable("end a session");

pub(super) async fn create(tx: &Tx, (new, now): &(NewSession, Time)) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sessions WHERE expires <= $1", vec![now.0.into()]).await?;
    let sql = "INSERT INTO sessions (hash, user_id, created, expires) VALUES ($1, $2, $3, $4)";
    let values = vec![new.hash.as_str().into(), new.user.0.into(), now.0.into(), new.expires.0.into()];
    tx.execute(sql, values).await.map(|_| ())
}

pub(super) async fn by_hash(db: &Database, hash: &str, now: Time) -> Result<Option<User>, StoreError> {
    let sql = "SELECT user_id FROM sessions WHERE hash = $1 AND expires > $2";
    match db.query_one("look up a session", sql, vec![hash.into(), now.0.into()]).await? {
        Some(row) => users::by_id(db, UserId(row.get("user_id")?)).await,
        None => Ok(None),
    }
}

pub(super) async fn end(tx: &Tx, (hash,): &(String,)) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sessions WHERE hash = $1", vec![hash.as_str().into()]).await.map(|_| ())
}
