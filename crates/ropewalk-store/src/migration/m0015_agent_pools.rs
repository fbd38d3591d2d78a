//! Whose agents take package builds.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0015_agent_pools"
    }
}

/// A pool is the number of an account, or 0 for administrators; what was there before was all theirs. SQLite changes no
/// primary key, so two tables are made anew.
const UP: &str = "
    ALTER TABLE arch_builds ADD COLUMN pool BIGINT NOT NULL DEFAULT 0;
    ALTER TABLE arch_agents RENAME TO arch_agents_before;
    CREATE TABLE arch_agents (
        arch TEXT NOT NULL,
        pool BIGINT NOT NULL,
        runner BIGINT NOT NULL REFERENCES runners (id),
        PRIMARY KEY (arch, pool)
    );
    INSERT INTO arch_agents (arch, pool, runner) SELECT arch, 0, runner FROM arch_agents_before;
    DROP TABLE arch_agents_before;
    CREATE INDEX arch_agents_of_pool ON arch_agents (pool);
    ALTER TABLE arch_polls RENAME TO arch_polls_before;
    CREATE TABLE arch_polls (
        arch TEXT NOT NULL,
        pool BIGINT NOT NULL,
        polled BIGINT NOT NULL,
        PRIMARY KEY (arch, pool)
    );
    INSERT INTO arch_polls (arch, pool, polled) SELECT arch, 0, polled FROM arch_polls_before;
    DROP TABLE arch_polls_before";

/// Builds of others than administrators cannot be told from theirs any more.
const DOWN: &str = "
    ALTER TABLE arch_polls RENAME TO arch_polls_after;
    CREATE TABLE arch_polls (arch TEXT PRIMARY KEY, polled BIGINT NOT NULL);
    INSERT INTO arch_polls (arch, polled) SELECT arch, MAX(polled) FROM arch_polls_after GROUP BY arch;
    DROP TABLE arch_polls_after;
    DROP INDEX arch_agents_of_pool;
    ALTER TABLE arch_agents RENAME TO arch_agents_after;
    CREATE TABLE arch_agents (arch TEXT PRIMARY KEY, runner BIGINT NOT NULL REFERENCES runners (id));
    INSERT INTO arch_agents (arch, runner) SELECT arch, MIN(runner) FROM arch_agents_after GROUP BY arch;
    DROP TABLE arch_agents_after;
    ALTER TABLE arch_builds DROP COLUMN pool";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
