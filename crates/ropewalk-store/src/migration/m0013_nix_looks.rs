//! Looks at jobsets of which nothing was kept, and what is needed to remove jobs without looking at all others.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0013_nix_looks"
    }
}

/// Before a row goes, those that refer to it are looked for. The jobset of a project's file of jobsets is off until
/// something reads that file.
const UP: &str = "
    CREATE TABLE nix_looks (
        job BIGINT PRIMARY KEY REFERENCES jobs (id),
        jobset BIGINT NOT NULL REFERENCES nix_jobsets (id) ON DELETE CASCADE
    );
    CREATE INDEX nix_looks_of_jobset ON nix_looks (jobset, job);
    CREATE INDEX nix_evaluations_of_job ON nix_evaluations (job);
    CREATE INDEX job_rounds_of_work ON job_rounds (work, job);
    CREATE INDEX arch_target_archs_of_job ON arch_target_archs (job) WHERE job IS NOT NULL;
    UPDATE nix_jobsets SET enabled = 0, triggered = NULL WHERE name = '.jobsets'";

const DOWN: &str = "
    DROP INDEX arch_target_archs_of_job;
    DROP INDEX job_rounds_of_work;
    DROP INDEX nix_evaluations_of_job;
    DROP TABLE nix_looks";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
