//! Jobs, works, leases, events, deliveries.

use super::run;
use sea_orm::DbErr;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &str {
        "m0002_jobs_and_queue"
    }
}

/// What works ask of runners, who pays, and who runs them.
const FARM: &str = "
    CREATE TABLE plans (hash TEXT PRIMARY KEY, json TEXT NOT NULL);
    CREATE TABLE classes (id {id}, text TEXT NOT NULL UNIQUE);
    CREATE TABLE share_groups (
        id {id},
        name TEXT NOT NULL UNIQUE,
        shares BIGINT NOT NULL,
        used BIGINT NOT NULL,
        running BIGINT NOT NULL,
        counted BIGINT NOT NULL
    );
    CREATE TABLE share_usage (
        share_group BIGINT NOT NULL REFERENCES share_groups (id),
        hour BIGINT NOT NULL,
        used BIGINT NOT NULL,
        PRIMARY KEY (share_group, hour)
    );
    CREATE INDEX share_usage_by_hour ON share_usage (hour);
    CREATE TABLE runners (
        id {id},
        name TEXT NOT NULL UNIQUE,
        labels TEXT NOT NULL,
        slots BIGINT NOT NULL,
        seen BIGINT NOT NULL
    );
    CREATE TABLE runner_classes (
        runner BIGINT NOT NULL REFERENCES runners (id),
        class BIGINT NOT NULL REFERENCES classes (id),
        PRIMARY KEY (runner, class)
    );
    CREATE INDEX runners_of_class ON runner_classes (class, runner);
    CREATE TABLE registry (id BIGINT PRIMARY KEY, revision BIGINT NOT NULL);
    INSERT INTO registry (id, revision) VALUES (1, 0)";

/// Works and the tries at them.
const WORKS: &str = "
    CREATE TABLE works (
        id {id},
        key TEXT,
        plan TEXT NOT NULL REFERENCES plans (hash),
        class BIGINT NOT NULL REFERENCES classes (id),
        share_group BIGINT NOT NULL REFERENCES share_groups (id),
        priority BIGINT NOT NULL,
        bump BIGINT NOT NULL,
        status TEXT NOT NULL,
        released BOOLEAN NOT NULL,
        not_before BIGINT,
        unmet BIGINT NOT NULL,
        wanted BIGINT NOT NULL,
        attempts BIGINT NOT NULL,
        lost BIGINT NOT NULL,
        loss_attempts BIGINT NOT NULL,
        loss_cause TEXT NOT NULL,
        cancel TEXT,
        cause TEXT,
        message TEXT,
        culprit BIGINT,
        replaced_by BIGINT,
        created BIGINT NOT NULL,
        ended BIGINT
    );
    CREATE UNIQUE INDEX works_by_key ON works (key) WHERE key IS NOT NULL AND ended IS NULL;
    CREATE INDEX works_ready ON works (class, share_group, bump DESC, priority DESC, id) WHERE status = 'ready';
    CREATE INDEX works_held ON works (released, not_before, id) WHERE status = 'held' AND not_before IS NOT NULL;
    CREATE INDEX works_by_culprit ON works (culprit) WHERE culprit IS NOT NULL;
    CREATE TABLE work_edges (
        work BIGINT NOT NULL REFERENCES works (id),
        needs BIGINT NOT NULL REFERENCES works (id),
        PRIMARY KEY (work, needs)
    );
    CREATE INDEX work_edges_back ON work_edges (needs, work);
    CREATE TABLE attempts (
        id {id},
        work BIGINT NOT NULL REFERENCES works (id),
        number BIGINT NOT NULL,
        fence BIGINT NOT NULL,
        runner BIGINT NOT NULL REFERENCES runners (id),
        leased BIGINT NOT NULL,
        reports BIGINT NOT NULL,
        told TEXT,
        ended BIGINT,
        lost BOOLEAN NOT NULL,
        cause TEXT,
        message TEXT
    );
    CREATE UNIQUE INDEX attempts_of_work ON attempts (work, number);
    CREATE TABLE leases (
        work BIGINT PRIMARY KEY REFERENCES works (id),
        attempt BIGINT NOT NULL UNIQUE REFERENCES attempts (id),
        runner BIGINT NOT NULL REFERENCES runners (id),
        fence BIGINT NOT NULL,
        renewed BIGINT NOT NULL,
        until BIGINT NOT NULL
    );
    CREATE INDEX leases_by_end ON leases (until, work);
    CREATE INDEX leases_of_runner ON leases (runner, attempt);
    CREATE TABLE attempt_facts (
        attempt BIGINT NOT NULL REFERENCES attempts (id),
        number BIGINT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (attempt, number)
    );
    CREATE TABLE step_runs (
        attempt BIGINT NOT NULL REFERENCES attempts (id),
        position BIGINT NOT NULL,
        status TEXT NOT NULL,
        exit BIGINT,
        started BIGINT,
        ended BIGINT,
        PRIMARY KEY (attempt, position)
    );
    CREATE TABLE attempt_logs (
        attempt BIGINT NOT NULL REFERENCES attempts (id),
        log BIGINT NOT NULL,
        sha256 TEXT NOT NULL,
        size BIGINT NOT NULL,
        PRIMARY KEY (attempt, log)
    );
    CREATE INDEX attempt_logs_by_blob ON attempt_logs (sha256);
    CREATE TABLE artifacts (
        id {id},
        attempt BIGINT NOT NULL REFERENCES attempts (id),
        path TEXT NOT NULL,
        size BIGINT NOT NULL,
        sha256 TEXT NOT NULL
    );
    CREATE INDEX artifacts_of_attempt ON artifacts (attempt, id);
    CREATE INDEX artifacts_by_blob ON artifacts (sha256)";

/// Jobs and what is told about them.
const JOBS: &str = "
    CREATE TABLE job_groups (
        id {id},
        owner BIGINT NOT NULL REFERENCES users (id),
        note TEXT,
        triggers TEXT NOT NULL,
        open BIGINT NOT NULL,
        created BIGINT NOT NULL
    );
    CREATE TABLE jobs (
        id {id},
        kind TEXT NOT NULL,
        owner BIGINT NOT NULL REFERENCES users (id),
        job_group BIGINT REFERENCES job_groups (id),
        round BIGINT NOT NULL,
        status TEXT NOT NULL,
        cause TEXT,
        visibility TEXT NOT NULL,
        note TEXT,
        tags TEXT NOT NULL,
        manifest TEXT NOT NULL,
        image TEXT,
        triggers TEXT NOT NULL,
        work BIGINT NOT NULL REFERENCES works (id),
        execute BOOLEAN NOT NULL,
        cancel TEXT,
        runner TEXT,
        events BIGINT NOT NULL,
        created BIGINT NOT NULL,
        updated BIGINT NOT NULL,
        queued BIGINT,
        started BIGINT,
        ended BIGINT
    );
    CREATE INDEX jobs_of_work ON jobs (work, id);
    CREATE INDEX jobs_by_owner ON jobs (owner, id);
    CREATE INDEX jobs_by_visibility ON jobs (visibility, id);
    CREATE INDEX jobs_by_kind ON jobs (kind, id);
    CREATE INDEX jobs_by_status ON jobs (status, id);
    CREATE INDEX jobs_of_group ON jobs (job_group, id) WHERE job_group IS NOT NULL;
    CREATE TABLE open_jobs (owner BIGINT PRIMARY KEY REFERENCES users (id), count BIGINT NOT NULL);
    CREATE TABLE job_rounds (
        job BIGINT NOT NULL REFERENCES jobs (id),
        round BIGINT NOT NULL,
        work BIGINT NOT NULL REFERENCES works (id),
        PRIMARY KEY (job, round)
    );
    CREATE TABLE steps (
        id {id},
        job BIGINT NOT NULL REFERENCES jobs (id),
        position BIGINT NOT NULL,
        name TEXT NOT NULL
    );
    CREATE UNIQUE INDEX steps_of_job ON steps (job, position);
    CREATE TABLE events (
        job BIGINT NOT NULL REFERENCES jobs (id),
        number BIGINT NOT NULL,
        at BIGINT NOT NULL,
        fact TEXT NOT NULL,
        PRIMARY KEY (job, number)
    );
    CREATE TABLE deliveries (
        id {id},
        key TEXT NOT NULL UNIQUE,
        job BIGINT REFERENCES jobs (id),
        job_group BIGINT REFERENCES job_groups (id),
        action TEXT NOT NULL,
        created BIGINT NOT NULL,
        next_at BIGINT NOT NULL,
        tries BIGINT NOT NULL,
        settled BIGINT,
        note TEXT
    );
    CREATE INDEX deliveries_due ON deliveries (next_at, id) WHERE settled IS NULL;
    CREATE INDEX deliveries_of_job ON deliveries (job, id) WHERE job IS NOT NULL;
    CREATE INDEX deliveries_of_group ON deliveries (job_group, id) WHERE job_group IS NOT NULL";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for part in [FARM, WORKS, JOBS] {
            run(manager, part).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "deliveries",
            "events",
            "steps",
            "job_rounds",
            "open_jobs",
            "jobs",
            "job_groups",
            "artifacts",
            "attempt_logs",
            "step_runs",
            "attempt_facts",
            "leases",
            "attempts",
            "work_edges",
            "works",
            "registry",
            "runner_classes",
            "runners",
            "share_usage",
            "share_groups",
            "classes",
            "plans",
        ];
        for table in tables {
            run(manager, &format!("DROP TABLE {table}")).await?;
        }
        Ok(())
    }
}
