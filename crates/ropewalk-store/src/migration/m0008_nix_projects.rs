//! Projects and jobsets.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0008_nix_projects"
    }
}

const PROJECTS: &str = "
    CREATE TABLE nix_projects (
        id {id},
        name TEXT NOT NULL UNIQUE,
        owner BIGINT NOT NULL REFERENCES users (id),
        display_name TEXT NOT NULL,
        description TEXT NOT NULL,
        homepage TEXT NOT NULL,
        is_enabled BOOLEAN NOT NULL,
        is_hidden BOOLEAN NOT NULL,
        decl_file TEXT,
        decl_kind TEXT,
        decl_value TEXT
    );
    CREATE INDEX nix_projects_in_order ON nix_projects (is_enabled DESC, name);
    CREATE TABLE nix_members (
        project BIGINT NOT NULL REFERENCES nix_projects (id),
        user_id BIGINT NOT NULL REFERENCES users (id),
        PRIMARY KEY (project, user_id)
    )";

/// A value may be longer than what an index can hold, so that its start is indexed.
const JOBSETS: &str = "
    CREATE TABLE nix_jobsets (
        id {id},
        project BIGINT NOT NULL REFERENCES nix_projects (id),
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        expression_input TEXT NOT NULL,
        expression_path TEXT NOT NULL,
        enabled BIGINT NOT NULL,
        is_hidden BOOLEAN NOT NULL,
        sends_mail BOOLEAN NOT NULL,
        mail_to TEXT NOT NULL,
        check_interval BIGINT NOT NULL,
        keep BIGINT NOT NULL,
        shares BIGINT NOT NULL,
        triggered BIGINT,
        is_forced BOOLEAN NOT NULL,
        checked BIGINT,
        started BIGINT,
        error TEXT NOT NULL,
        error_at BIGINT,
        fetch_error TEXT
    );
    CREATE UNIQUE INDEX nix_jobsets_by_name ON nix_jobsets (project, name);
    CREATE INDEX nix_jobsets_triggered ON nix_jobsets (triggered, id) WHERE triggered IS NOT NULL;
    CREATE TABLE nix_jobset_inputs (
        jobset BIGINT NOT NULL REFERENCES nix_jobsets (id),
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        value TEXT NOT NULL,
        tells_committers BOOLEAN NOT NULL,
        PRIMARY KEY (jobset, name)
    );
    CREATE INDEX nix_jobset_inputs_by_value ON nix_jobset_inputs (substr(value, 1, 200), jobset);
    CREATE TABLE nix_jobset_renames (
        project BIGINT NOT NULL REFERENCES nix_projects (id),
        old_name TEXT NOT NULL,
        jobset BIGINT NOT NULL REFERENCES nix_jobsets (id),
        PRIMARY KEY (project, old_name)
    );
    CREATE INDEX nix_jobset_renames_of ON nix_jobset_renames (jobset)";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, PROJECTS).await?;
        run(manager, JOBSETS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["nix_jobset_renames", "nix_jobset_inputs", "nix_jobsets", "nix_members", "nix_projects"]
        {
            run(manager, &format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}
