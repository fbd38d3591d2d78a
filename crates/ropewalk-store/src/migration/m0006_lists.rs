//! Lists that ask for two things at once find what they want without reading what they do not.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0006_lists"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE INDEX jobs_by_owner_and_visibility ON jobs (owner, visibility, id);
            CREATE INDEX jobs_by_owner_and_status ON jobs (owner, status, id);
            CREATE INDEX jobs_by_visibility_and_status ON jobs (visibility, status, id)",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "DROP INDEX jobs_by_visibility_and_status;
            DROP INDEX jobs_by_owner_and_status;
            DROP INDEX jobs_by_owner_and_visibility",
        )
        .await
    }
}
