//! Rows of users.

use crate::db::{Database, Row, Tx, Write};
use ropewalk_core::port::{NewUser, Role, StoreError, User};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use std::collections::BTreeSet;

pub(super) const CREATE: Write = Write::durable("make a user");
pub(super) const SET_PASSWORD: Write = Write::durable("replace a password");

const SELECT: &str =
    "SELECT id, name, email, full_name, url, location, bio, roles, created, updated FROM users";

pub(super) async fn create(tx: &Tx, (new, now): &(NewUser, Time)) -> Result<User, StoreError> {
    let sql = "INSERT INTO users (name, email, roles, password_hash, created, updated)
        VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (name) DO NOTHING
        RETURNING id, name, email, full_name, url, location, bio, roles, created, updated";
    let values = vec![
        new.name.as_str().into(),
        new.email.as_str().into(),
        roles_text(&new.roles).into(),
        new.password_hash.clone().into(),
        now.0.into(),
    ];
    match tx.query_one(sql, values).await? {
        Some(row) => user(&row),
        None => Err(StoreError::Conflict(format!("there is a user named {} already", new.name))),
    }
}

pub(super) async fn set_password_hash(
    tx: &Tx,
    (id, hash, now): &(UserId, String, Time),
) -> Result<(), StoreError> {
    let sql = "UPDATE users SET password_hash = $2, updated = $3 WHERE id = $1";
    match tx.execute(sql, vec![id.0.into(), hash.as_str().into(), now.0.into()]).await? {
        0 => Err(StoreError::Missing(format!("user {id}"))),
        _ => tx.execute("DELETE FROM sessions WHERE user_id = $1", vec![id.0.into()]).await.map(|_| ()),
    }
}

pub(super) async fn by_id(db: &Database, id: UserId) -> Result<Option<User>, StoreError> {
    let row = db.query_one("look up a user", &format!("{SELECT} WHERE id = $1"), vec![id.0.into()]).await?;
    row.as_ref().map(user).transpose()
}

pub(super) async fn by_name(db: &Database, name: &str) -> Result<Option<User>, StoreError> {
    let sql = format!("{SELECT} WHERE name = $1");
    let row = db.query_one("look up a user", &sql, vec![name.into()]).await?;
    row.as_ref().map(user).transpose()
}

pub(super) async fn list(db: &Database, after: Option<&str>, limit: u32) -> Result<Vec<User>, StoreError> {
    // Names are never empty, so that all of them come after the empty text.
    let sql = format!("{SELECT} WHERE name > $1 ORDER BY name LIMIT $2");
    let values = vec![after.unwrap_or_default().into(), i64::from(limit).into()];
    db.query_all("list the users", &sql, values).await?.iter().map(user).collect()
}

pub(super) async fn password_hash(db: &Database, id: UserId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT password_hash FROM users WHERE id = $1";
    match db.query_one("look up a password", sql, vec![id.0.into()]).await? {
        Some(row) => row.get("password_hash"),
        None => Ok(None),
    }
}

fn user(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(row.get("id")?),
        name: row.get("name")?,
        email: row.get("email")?,
        full_name: row.get("full_name")?,
        url: row.get("url")?,
        location: row.get("location")?,
        bio: row.get("bio")?,
        roles: roles(&row.get::<String>("roles")?)?,
        created: Time(row.get("created")?),
        updated: Time(row.get("updated")?),
    })
}

/// Words divided by spaces, in the order of the type.
fn roles_text(roles: &BTreeSet<Role>) -> String {
    roles.iter().map(Role::to_string).collect::<Vec<_>>().join(" ")
}

fn roles(text: &str) -> Result<BTreeSet<Role>, StoreError> {
    text.split_ascii_whitespace()
        .map(|word| word.parse().map_err(|_| StoreError::Corrupt(format!("the role \"{word}\" of a user"))))
        .collect()
}
