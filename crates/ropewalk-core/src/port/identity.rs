//! Users, tokens and sessions.

use super::StoreError;
use async_trait::async_trait;
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::{TokenId, UserId};
use ropewalk_model::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use strum::{Display, EnumIter, EnumString};

/// What a user may do beyond owning things. Hydra's words.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Make Hydra projects.
    CreateProjects,
    /// Restart other people's builds.
    RestartJobs,
    /// Cancel other people's builds.
    CancelBuild,
    /// Put builds in front of the queue.
    BumpToFront,
    /// Start evaluations.
    EvalJobset,
}

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Never used again.
    pub id: UserId,
    /// Unique, without `~`.
    pub name: String,
    /// Where mail goes.
    pub email: String,
    /// As people write it.
    pub full_name: Option<String>,
    /// Own page.
    pub url: Option<String>,
    /// Where they are.
    pub location: Option<String>,
    /// Free text.
    pub bio: Option<String>,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// Time of creation.
    pub created: Time,
    /// Time of the last change.
    pub updated: Time,
}

/// A user to be made. The name has been checked by the core.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Unique, without `~`.
    pub name: String,
    /// Where mail goes.
    pub email: String,
    /// What they may do.
    pub roles: BTreeSet<Role>,
    /// argon2id string; none means that no password opens the account.
    pub password_hash: Option<String>,
}

/// A token as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Never used again.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// What it allows.
    pub grants: Grants,
    /// What it is for, in its owner's words.
    pub comment: Option<String>,
    /// Time of creation.
    pub created: Time,
    /// Not valid from then on.
    pub expires: Option<Time>,
    /// Last time it was seen, to the minute.
    pub last_used: Option<Time>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of the secret, 64 hexadecimal digits.
    pub hash: String,
    /// What it allows.
    pub grants: Grants,
    /// What it is for.
    pub comment: Option<String>,
    /// Not valid from then on.
    pub expires: Option<Time>,
}

/// A log-in of a browser.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of the secret, 64 hexadecimal digits.
    pub hash: String,
    /// Not valid from then on.
    pub expires: Time,
}

/// Port for users, tokens and sessions.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Makes a user. [`StoreError::Conflict`] if the name is taken.
    async fn create_user(&self, new: NewUser) -> Result<User, StoreError>;
    /// By number.
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    /// By name, exactly.
    async fn user_named(&self, name: &str) -> Result<Option<User>, StoreError>;
    /// All of them by name, `limit` after the given name.
    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, StoreError>;
    /// The argon2id string of a user who has a password.
    async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError>;
    /// Replaces the password and ends the user's sessions.
    async fn set_password_hash(&self, user: UserId, hash: String) -> Result<(), StoreError>;
    /// Makes a token.
    async fn create_token(&self, new: NewToken) -> Result<Token, StoreError>;
    /// Who a token's secret belongs to; none if revoked or expired. Notes the time of use, at most once a minute
    /// and not durably.
    async fn token_by_hash(&self, hash: &str) -> Result<Option<(Token, User)>, StoreError>;
    /// A user's tokens that are valid.
    async fn tokens(&self, user: UserId) -> Result<Vec<Token>, StoreError>;
    /// Ends a token at once. [`StoreError::Missing`] if it is not that user's.
    async fn revoke_token(&self, user: UserId, token: TokenId) -> Result<(), StoreError>;
    /// Makes a session, and forgets those that have expired.
    async fn create_session(&self, new: NewSession) -> Result<(), StoreError>;
    /// Who a session belongs to; none if it was ended or has expired.
    async fn session_by_hash(&self, hash: &str) -> Result<Option<User>, StoreError>;
    /// Ends a session. Nothing happens if there is none.
    async fn end_session(&self, hash: &str) -> Result<(), StoreError>;
}
