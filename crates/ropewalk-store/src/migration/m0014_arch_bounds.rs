//! What keeps package repositories and lists of logs fast and small.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0014_arch_bounds"
    }
}

/// `bytes` is the sum of the parts with lists of files, which are the larger ones.
const UP: &str = "
    CREATE INDEX arch_packages_any ON arch_packages (repo, name, id) WHERE package_arch = 'any';
    ALTER TABLE arch_databases ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
    UPDATE arch_databases SET bytes = (SELECT COALESCE(SUM(LENGTH(p.in_files)), 0) FROM arch_packages p
        WHERE p.repo = arch_databases.repo AND p.arch = arch_databases.arch);
    CREATE INDEX arch_logs_failed ON arch_logs (id) WHERE exit_code <> 0;
    CREATE INDEX arch_logs_by_exit ON arch_logs (exit_code, id);
    CREATE INDEX arch_logs_by_arch ON arch_logs (arch, id)";

const DOWN: &str = "
    DROP INDEX arch_logs_by_arch;
    DROP INDEX arch_logs_by_exit;
    DROP INDEX arch_logs_failed;
    ALTER TABLE arch_databases DROP COLUMN bytes;
    DROP INDEX arch_packages_any";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
