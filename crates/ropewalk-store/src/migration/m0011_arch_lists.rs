//! Builds of a target, and the log of a build, are found without reading those of others.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0011_arch_lists"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE INDEX arch_builds_of_target ON arch_builds (target, job);
            CREATE INDEX arch_logs_of_job ON arch_logs (job, id)",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP INDEX arch_logs_of_job; DROP INDEX arch_builds_of_target").await
    }
}
