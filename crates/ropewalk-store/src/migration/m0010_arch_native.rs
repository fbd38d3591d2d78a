//! Package builds that our own runners take, and when agents asked last.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0010_arch_native"
    }
}

/// Agents ask for architectures that no build was ever queued for, so their polls have a table of their own.
const UP: &str = "
    ALTER TABLE arch_builds ADD COLUMN native BOOLEAN NOT NULL DEFAULT FALSE;
    CREATE INDEX arch_builds_native ON arch_builds (arch, job) WHERE open AND native;
    CREATE INDEX arch_builds_waiting ON arch_builds (arch, job) WHERE open AND NOT native;
    CREATE TABLE arch_polls (arch TEXT PRIMARY KEY, polled BIGINT NOT NULL);
    INSERT INTO arch_polls (arch, polled) SELECT arch, polled FROM arch_agents WHERE polled IS NOT NULL;
    ALTER TABLE arch_agents DROP COLUMN polled";

const DOWN: &str = "
    ALTER TABLE arch_agents ADD COLUMN polled BIGINT;
    DROP TABLE arch_polls;
    DROP INDEX arch_builds_waiting;
    DROP INDEX arch_builds_native;
    ALTER TABLE arch_builds DROP COLUMN native";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
