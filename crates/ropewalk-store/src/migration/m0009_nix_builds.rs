//! Evaluations, builds and what they made.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0009_nix_builds"
    }
}

/// What ends is told to evaluations and builds after the transaction that ended it: `settled` is the last round of a
/// job whose end they know. The index holds the ends that they do not know yet and nothing else, so that looking for
/// them costs the same however long queue and history are; and it needs no line where jobs end.
const ENDS: &str = "
    ALTER TABLE jobs ADD COLUMN settled BIGINT NOT NULL DEFAULT 0;
    CREATE INDEX jobs_to_settle ON jobs (kind, id)
        WHERE ended IS NOT NULL AND settled < round AND kind IN ('hydra-build', 'hydra-evaluation');
    CREATE INDEX jobs_reopened ON jobs (id) WHERE ended IS NULL AND settled > 0 AND kind = 'hydra-build'";

/// `ordinal` counts the evaluations of a jobset that had new builds, so that a page of them is found by its number; it
/// is empty for those that had none.
const EVALUATIONS: &str = "
    CREATE TABLE nix_evaluating (
        jobset BIGINT PRIMARY KEY REFERENCES nix_jobsets (id) ON DELETE CASCADE,
        job BIGINT NOT NULL UNIQUE REFERENCES jobs (id)
    );
    CREATE TABLE nix_evaluations (
        id {id},
        jobset BIGINT NOT NULL REFERENCES nix_jobsets (id) ON DELETE CASCADE,
        job BIGINT NOT NULL REFERENCES jobs (id),
        created BIGINT NOT NULL,
        checkout_time BIGINT NOT NULL,
        evaluation_time BIGINT NOT NULL,
        hash TEXT NOT NULL,
        ordinal BIGINT,
        builds BIGINT
    );
    CREATE INDEX nix_evaluations_of_jobset ON nix_evaluations (jobset, id);
    CREATE UNIQUE INDEX nix_evaluations_in_order ON nix_evaluations (jobset, ordinal) WHERE ordinal IS NOT NULL;
    CREATE INDEX nix_evaluations_changed ON nix_evaluations (id) WHERE ordinal IS NOT NULL;
    CREATE TABLE nix_evaluation_inputs (
        evaluation BIGINT NOT NULL REFERENCES nix_evaluations (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        uri TEXT,
        revision TEXT,
        value TEXT,
        dependency BIGINT,
        store_path TEXT,
        PRIMARY KEY (evaluation, name)
    );
    CREATE INDEX nix_jobsets_checked ON nix_jobsets ((COALESCE(checked, 0) + check_interval * 1000000), id)
        WHERE enabled > 0 AND check_interval > 0";

/// A build is finished here when its job's end is settled; until then it reads as unfinished.
const BUILDS: &str = "
    CREATE TABLE nix_builds (
        job BIGINT PRIMARY KEY REFERENCES jobs (id),
        jobset BIGINT NOT NULL REFERENCES nix_jobsets (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        nix_name TEXT NOT NULL,
        system TEXT NOT NULL,
        drv_path TEXT NOT NULL,
        makes TEXT NOT NULL,
        description TEXT,
        homepage TEXT,
        license TEXT,
        maintainers TEXT,
        priority BIGINT NOT NULL,
        timeout BIGINT,
        max_silent BIGINT,
        is_channel BOOLEAN NOT NULL,
        is_current BOOLEAN NOT NULL,
        keep BOOLEAN NOT NULL,
        bumped BIGINT NOT NULL,
        created BIGINT NOT NULL,
        finished BOOLEAN NOT NULL,
        status BIGINT,
        is_cached BOOLEAN NOT NULL,
        started BIGINT,
        stopped BIGINT,
        size BIGINT,
        closure_size BIGINT,
        release_name TEXT,
        message TEXT
    );
    CREATE INDEX nix_builds_of_job ON nix_builds (jobset, name, job);
    CREATE INDEX nix_builds_of_jobset ON nix_builds (jobset, job);
    CREATE INDEX nix_builds_current ON nix_builds (jobset, finished, status) WHERE is_current;
    CREATE INDEX nix_builds_open ON nix_builds (jobset, job) WHERE NOT finished;
    CREATE INDEX nix_builds_queue ON nix_builds (bumped DESC, job) WHERE NOT finished;
    CREATE INDEX nix_builds_finished ON nix_builds (jobset, name, job) WHERE finished;
    CREATE INDEX nix_builds_good ON nix_builds (jobset, name, job) WHERE status = 0;
    CREATE INDEX nix_builds_good_of_jobset ON nix_builds (jobset, job) WHERE status = 0;
    CREATE INDEX nix_builds_good_of_all ON nix_builds (job) WHERE status = 0;
    CREATE INDEX nix_builds_kept ON nix_builds (job) WHERE keep;
    CREATE INDEX nix_builds_by_drv ON nix_builds (drv_path, job);
    CREATE TABLE nix_evaluation_builds (
        evaluation BIGINT NOT NULL REFERENCES nix_evaluations (id) ON DELETE CASCADE,
        build BIGINT NOT NULL REFERENCES nix_builds (job) ON DELETE CASCADE,
        is_new BOOLEAN NOT NULL,
        PRIMARY KEY (evaluation, build)
    );
    CREATE INDEX nix_evaluations_of_build ON nix_evaluation_builds (build, evaluation);
    CREATE TABLE nix_constituents (
        aggregate BIGINT NOT NULL REFERENCES nix_builds (job) ON DELETE CASCADE,
        constituent BIGINT NOT NULL REFERENCES nix_builds (job) ON DELETE CASCADE,
        PRIMARY KEY (aggregate, constituent)
    );
    CREATE INDEX nix_constituents_back ON nix_constituents (constituent)";

/// What builds made, and what is remembered of derivations. `nix_works.drv` is a derivation's base name, as addresses
/// of logs have it.
const RESULTS: &str = "
    CREATE TABLE nix_outputs (
        build BIGINT NOT NULL REFERENCES nix_builds (job) ON DELETE CASCADE,
        name TEXT NOT NULL,
        path TEXT,
        PRIMARY KEY (build, name)
    );
    CREATE INDEX nix_outputs_by_path ON nix_outputs (path, build);
    CREATE TABLE nix_products (
        build BIGINT NOT NULL REFERENCES nix_builds (job) ON DELETE CASCADE,
        number BIGINT NOT NULL,
        kind TEXT NOT NULL,
        subtype TEXT NOT NULL,
        name TEXT NOT NULL,
        path TEXT NOT NULL,
        default_path TEXT,
        size BIGINT,
        sha256 TEXT,
        PRIMARY KEY (build, number)
    );
    CREATE TABLE nix_metrics (
        build BIGINT NOT NULL REFERENCES nix_builds (job) ON DELETE CASCADE,
        name TEXT NOT NULL,
        value DOUBLE PRECISION NOT NULL,
        unit TEXT,
        PRIMARY KEY (build, name)
    );
    CREATE TABLE nix_works (
        drv TEXT NOT NULL,
        work BIGINT NOT NULL REFERENCES works (id),
        is_fixed BOOLEAN NOT NULL,
        PRIMARY KEY (drv, work)
    );
    CREATE INDEX nix_works_by_work ON nix_works (work);
    CREATE TABLE nix_failures (
        drv_path TEXT PRIMARY KEY,
        until BIGINT NOT NULL
    );
    CREATE INDEX nix_failures_by_end ON nix_failures (until)";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for part in [ENDS, EVALUATIONS, BUILDS, RESULTS] {
            run(manager, part).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "nix_failures",
            "nix_works",
            "nix_metrics",
            "nix_products",
            "nix_outputs",
            "nix_constituents",
            "nix_evaluation_builds",
            "nix_builds",
            "nix_evaluation_inputs",
            "nix_evaluations",
            "nix_evaluating",
        ];
        for table in tables {
            run(manager, &format!("DROP TABLE {table}")).await?;
        }
        run(
            manager,
            "DROP INDEX nix_jobsets_checked;
            DROP INDEX jobs_reopened;
            DROP INDEX jobs_to_settle;
            ALTER TABLE jobs DROP COLUMN settled",
        )
        .await
    }
}
