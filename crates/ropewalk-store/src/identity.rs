//! Users, tokens and sessions.

mod sessions;
mod tokens;
mod users;

use crate::SqlStore;
use async_trait::async_trait;
use ropewalk_core::port::{Identity, NewSession, NewToken, NewUser, StoreError, Token, User};
use ropewalk_model::ids::{TokenId, UserId};

#[async_trait]
impl Identity for SqlStore {
    async fn create_user(&self, new: NewUser) -> Result<User, StoreError> {
        self.db.write(users::CREATE, (new, self.now()), users::create).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        users::by_id(&self.db, id).await
    }

    async fn user_named(&self, name: &str) -> Result<Option<User>, StoreError> {
        users::by_name(&self.db, name).await
    }

    async fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, StoreError> {
        users::list(&self.db, after, limit).await
    }

    async fn password_hash(&self, user: UserId) -> Result<Option<String>, StoreError> {
        users::password_hash(&self.db, user).await
    }

    async fn set_password_hash(&self, user: UserId, hash: String) -> Result<(), StoreError> {
        self.db.write(users::SET_PASSWORD, (user, hash, self.now()), users::set_password_hash).await
    }

    async fn create_token(&self, new: NewToken) -> Result<Token, StoreError> {
        self.db.write(tokens::CREATE, (new, self.now()), tokens::create).await
    }

    async fn token_by_hash(&self, hash: &str) -> Result<Option<(Token, User)>, StoreError> {
        tokens::by_hash(&self.db, hash, self.now()).await
    }

    async fn tokens(&self, user: UserId) -> Result<Vec<Token>, StoreError> {
        tokens::list(&self.db, user, self.now()).await
    }

    async fn revoke_token(&self, user: UserId, token: TokenId) -> Result<(), StoreError> {
        self.db.write(tokens::REVOKE, (user, token), tokens::revoke).await
    }

    async fn create_session(&self, new: NewSession) -> Result<(), StoreError> {
        self.db.write(sessions::CREATE, (new, self.now()), sessions::create).await
    }

    async fn session_by_hash(&self, hash: &str) -> Result<Option<User>, StoreError> {
        sessions::by_hash(&self.db, hash, self.now()).await
    }

    async fn end_session(&self, hash: &str) -> Result<(), StoreError> {
        self.db.write(sessions::END, (hash.to_owned(),), sessions::end).await
    }
}
