//! Secrets, as the schema has them. Nothing makes one yet.

use super::scalars::{Binary, Time};
use super::users::Entity;
use crate::access::worker;
use crate::unbuilt::Never;
use async_graphql::{Interface, Object};

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "i64"),
    field(name = "created", ty = "Time"),
    field(name = "uuid", ty = "String"),
    field(name = "name", ty = "Option<String>"),
    field(
        name = "from_user",
        ty = "Option<Entity>",
        desc = "Present when the secret was shared by another account"
    )
)]
pub(crate) enum Secret {
    PgpKey(PgpKey),
    SshKey(SshKey),
    SecretFile(SecretFile),
}

pub(crate) struct PgpKey(Never);

#[Object(name = "PGPKey")]
impl PgpKey {
    async fn id(&self) -> i64 {
        self.0.value()
    }

    async fn created(&self) -> Time {
        self.0.value()
    }

    async fn uuid(&self) -> String {
        self.0.value()
    }

    async fn name(&self) -> Option<String> {
        self.0.value()
    }

    async fn from_user(&self) -> Option<Entity> {
        self.0.value()
    }

    #[graphql(directive = worker::apply())]
    async fn private_key(&self) -> Binary {
        self.0.value()
    }
}

pub(crate) struct SshKey(Never);

#[Object(name = "SSHKey")]
impl SshKey {
    async fn id(&self) -> i64 {
        self.0.value()
    }

    async fn created(&self) -> Time {
        self.0.value()
    }

    async fn uuid(&self) -> String {
        self.0.value()
    }

    async fn name(&self) -> Option<String> {
        self.0.value()
    }

    async fn from_user(&self) -> Option<Entity> {
        self.0.value()
    }

    #[graphql(directive = worker::apply())]
    async fn private_key(&self) -> Binary {
        self.0.value()
    }
}

pub(crate) struct SecretFile(Never);

#[Object]
impl SecretFile {
    async fn id(&self) -> i64 {
        self.0.value()
    }

    async fn created(&self) -> Time {
        self.0.value()
    }

    async fn uuid(&self) -> String {
        self.0.value()
    }

    async fn name(&self) -> Option<String> {
        self.0.value()
    }

    async fn from_user(&self) -> Option<Entity> {
        self.0.value()
    }

    async fn path(&self) -> String {
        self.0.value()
    }

    async fn mode(&self) -> i32 {
        self.0.value()
    }

    #[graphql(directive = worker::apply())]
    async fn data(&self) -> Binary {
        self.0.value()
    }
}

/// Part of a list of secrets.
pub(crate) struct SecretCursor(Never);

#[Object]
impl SecretCursor {
    async fn results(&self) -> Vec<Secret> {
        self.0.value()
    }

    async fn cursor(&self) -> Option<super::scalars::Cursor> {
        self.0.value()
    }
}
