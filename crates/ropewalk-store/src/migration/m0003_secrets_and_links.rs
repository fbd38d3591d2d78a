//! Whether a job may have secrets; when a file was published, and the link under which it is downloaded.

use super::run;
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0003_secrets_and_links"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let random = match manager.get_database_backend() {
            DbBackend::Postgres => "replace(gen_random_uuid()::text, '-', '')",
            _ => "lower(hex(randomblob(16)))",
        };
        run(
            manager,
            &format!(
                "ALTER TABLE jobs ADD COLUMN secrets BOOLEAN NOT NULL DEFAULT FALSE;
                ALTER TABLE artifacts ADD COLUMN created BIGINT;
                ALTER TABLE artifacts ADD COLUMN link TEXT NOT NULL DEFAULT '';
                UPDATE artifacts SET link = {random};
                CREATE INDEX artifacts_by_link ON artifacts (link)"
            ),
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP INDEX artifacts_by_link;
            ALTER TABLE artifacts DROP COLUMN link;
            ALTER TABLE artifacts DROP COLUMN created;
            ALTER TABLE jobs DROP COLUMN secrets",
        )
        .await
    }
}
