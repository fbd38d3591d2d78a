//! Users, tokens, and which blobs exist.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0001_identity_and_blobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE TABLE users (
                id {id},
                name TEXT NOT NULL UNIQUE,
                email TEXT NOT NULL,
                full_name TEXT,
                url TEXT,
                location TEXT,
                bio TEXT,
                roles TEXT NOT NULL,
                password_hash TEXT,
                created BIGINT NOT NULL,
                updated BIGINT NOT NULL
            );
            CREATE TABLE tokens (
                id {id},
                user_id BIGINT NOT NULL REFERENCES users (id),
                hash TEXT NOT NULL UNIQUE,
                grants TEXT NOT NULL,
                comment TEXT,
                created BIGINT NOT NULL,
                expires BIGINT,
                last_used BIGINT
            );
            CREATE INDEX tokens_of_user ON tokens (user_id, id);
            CREATE TABLE blobs (
                sha256 TEXT PRIMARY KEY,
                size BIGINT NOT NULL,
                created BIGINT NOT NULL
            )",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE blobs; DROP TABLE tokens; DROP TABLE users").await
    }
}
