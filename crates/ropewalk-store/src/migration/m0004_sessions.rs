//! Browsers that have logged in.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0004_sessions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE TABLE sessions (
                hash TEXT PRIMARY KEY,
                user_id BIGINT NOT NULL REFERENCES users (id),
                created BIGINT NOT NULL,
                expires BIGINT NOT NULL
            );
            CREATE INDEX sessions_of_user ON sessions (user_id);
            CREATE INDEX sessions_by_end ON sessions (expires)",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE sessions").await
    }
}
