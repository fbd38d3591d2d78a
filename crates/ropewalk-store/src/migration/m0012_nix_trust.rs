//! Who saved a jobset, what its newest evaluation could not do, and the queue by priority.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0012_nix_trust"
    }
}

/// Who saved the jobsets that there are is not known: their inputs may lie below opened folders until somebody saves
/// them again. `evaluated_error` is what the newest evaluation said that was kept; `error` may be of a later try.
const UP: &str = "
    ALTER TABLE nix_jobsets ADD COLUMN is_trusted BOOLEAN NOT NULL DEFAULT FALSE;
    ALTER TABLE nix_jobsets ADD COLUMN evaluated_error TEXT NOT NULL DEFAULT '';
    UPDATE nix_jobsets SET evaluated_error = error;
    CREATE INDEX nix_builds_by_priority ON nix_builds (priority DESC, job) WHERE NOT finished";

const DOWN: &str = "
    DROP INDEX nix_builds_by_priority;
    ALTER TABLE nix_jobsets DROP COLUMN evaluated_error;
    ALTER TABLE nix_jobsets DROP COLUMN is_trusted";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
