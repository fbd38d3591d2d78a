//! Targets, their builds and logs, and package repositories.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0007_arch"
    }
}

/// What is built, when, and by whom it was asked for. `arch_target_archs.next_at` is empty while an occurrence waits to
/// be handed out; `job` names that occurrence.
const BUILDS: &str = "
    CREATE TABLE arch_targets (
        id {id},
        owner BIGINT NOT NULL REFERENCES users (id),
        kind TEXT NOT NULL,
        url TEXT NOT NULL,
        branch TEXT NOT NULL,
        repo TEXT NOT NULL,
        schedule TEXT NOT NULL,
        path TEXT NOT NULL,
        revision BIGINT NOT NULL
    );
    CREATE INDEX arch_targets_by_repo ON arch_targets (repo, id);
    CREATE TABLE arch_target_archs (
        id {id},
        target BIGINT NOT NULL REFERENCES arch_targets (id),
        value TEXT NOT NULL,
        next_at BIGINT,
        job BIGINT REFERENCES jobs (id)
    );
    CREATE INDEX arch_target_archs_of_target ON arch_target_archs (target, id);
    CREATE INDEX arch_target_archs_due ON arch_target_archs (next_at, id) WHERE next_at IS NOT NULL;
    CREATE INDEX arch_target_archs_waiting ON arch_target_archs (job) WHERE next_at IS NULL;
    CREATE TABLE arch_agents (
        arch TEXT PRIMARY KEY,
        runner BIGINT NOT NULL REFERENCES runners (id),
        polled BIGINT
    );
    CREATE TABLE arch_builds (
        job BIGINT PRIMARY KEY REFERENCES jobs (id),
        target BIGINT NOT NULL,
        arch TEXT NOT NULL,
        open BOOLEAN NOT NULL
    );
    CREATE INDEX arch_builds_open ON arch_builds (target, job) WHERE open;
    CREATE TABLE arch_logs (
        id {id},
        target BIGINT NOT NULL,
        start_time BIGINT NOT NULL,
        end_time BIGINT NOT NULL,
        arch TEXT NOT NULL,
        exit_code BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        size BIGINT NOT NULL,
        job BIGINT REFERENCES jobs (id)
    );
    CREATE INDEX arch_logs_of_target ON arch_logs (target, id);
    CREATE INDEX arch_logs_by_start ON arch_logs (start_time, id);
    CREATE INDEX arch_logs_by_blob ON arch_logs (sha256)";

/// What is published. An arch-repository's row stays when it is deleted, so that `modified` grows for ever.
const REPOSITORIES: &str = "
    CREATE TABLE arch_repos (
        id {id},
        name TEXT NOT NULL UNIQUE,
        owner BIGINT NOT NULL REFERENCES users (id),
        present BOOLEAN NOT NULL
    );
    CREATE TABLE arch_databases (
        repo BIGINT NOT NULL REFERENCES arch_repos (id),
        arch TEXT NOT NULL,
        present BOOLEAN NOT NULL,
        revision BIGINT NOT NULL,
        modified BIGINT NOT NULL,
        PRIMARY KEY (repo, arch)
    );
    CREATE TABLE arch_packages (
        id {id},
        repo BIGINT NOT NULL REFERENCES arch_repos (id),
        arch TEXT NOT NULL,
        name TEXT NOT NULL,
        entry TEXT NOT NULL,
        package_arch TEXT NOT NULL,
        file TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size BIGINT NOT NULL,
        description TEXT NOT NULL,
        in_db {bytes} NOT NULL,
        in_files {bytes} NOT NULL,
        published BIGINT NOT NULL
    );
    CREATE UNIQUE INDEX arch_packages_by_name ON arch_packages (repo, arch, name);
    CREATE INDEX arch_packages_by_entry ON arch_packages (repo, arch, entry);
    CREATE INDEX arch_packages_by_file ON arch_packages (repo, arch, file);
    CREATE INDEX arch_packages_by_blob ON arch_packages (sha256);
    CREATE TABLE arch_replaced (
        id {id},
        repo BIGINT NOT NULL REFERENCES arch_repos (id),
        arch TEXT NOT NULL,
        name TEXT NOT NULL,
        file TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size BIGINT NOT NULL,
        published BIGINT NOT NULL,
        until BIGINT NOT NULL
    );
    CREATE INDEX arch_replaced_by_file ON arch_replaced (repo, arch, file, id);
    CREATE INDEX arch_replaced_by_end ON arch_replaced (until, id);
    CREATE INDEX arch_replaced_by_blob ON arch_replaced (sha256)";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, BUILDS).await?;
        run(manager, REPOSITORIES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "arch_replaced",
            "arch_packages",
            "arch_databases",
            "arch_repos",
            "arch_logs",
            "arch_builds",
            "arch_agents",
            "arch_target_archs",
            "arch_targets",
        ];
        for table in tables {
            run(manager, &format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}
