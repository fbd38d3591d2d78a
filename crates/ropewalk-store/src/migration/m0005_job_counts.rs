//! How many jobs of each kind a user has.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0005_job_counts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(
            manager,
            "CREATE TABLE job_counts (
                owner BIGINT NOT NULL REFERENCES users (id),
                kind TEXT NOT NULL,
                count BIGINT NOT NULL,
                PRIMARY KEY (owner, kind)
            );
            INSERT INTO job_counts (owner, kind, count) SELECT owner, kind, COUNT(*) FROM jobs GROUP BY owner, kind",
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, "DROP TABLE job_counts").await
    }
}
