//! Jobs as people see them.

use crate::change::{from_json, narrow, optional_word, word};
use crate::db::{Database, Row, Tx};
use ropewalk_core::port::{Artifact, AttemptSummary, Culprit, StoreError};
use ropewalk_model::event::Event;
use ropewalk_model::ids::{ArtifactId, AttemptId, Fence, GroupId, JobId, StepId, UserId, WorkId};
use ropewalk_model::job::{Job, Step};
use ropewalk_model::status::{Cause, StepStatus};
use ropewalk_model::time::Time;
use std::collections::HashMap;

/// Columns of [`read_job`], from `jobs j JOIN users u`.
pub(super) const SELECT: &str = "SELECT j.id, j.kind, j.owner, u.name AS owner_name, j.job_group, j.round, j.status, \
    j.cause, j.visibility, j.note, j.tags, j.image, j.secrets, j.runner, j.created, j.updated, j.queued, \
    j.started, j.ended FROM jobs j JOIN users u ON u.id = j.owner";

pub(super) fn read_job(row: &Row) -> Result<Job, StoreError> {
    let time = |column: &str| row.get::<Option<i64>>(column).map(|time| time.map(Time));
    Ok(Job {
        id: JobId(row.get("id")?),
        kind: word(row, "kind")?,
        owner: UserId(row.get("owner")?),
        owner_name: row.get("owner_name")?,
        group: row.get::<Option<i64>>("job_group")?.map(GroupId),
        round: narrow(row, "round")?,
        status: word(row, "status")?,
        cause: optional_word(row, "cause")?,
        visibility: word(row, "visibility")?,
        note: row.get("note")?,
        tags: from_json(row, "tags")?,
        image: row.get("image")?,
        secrets: row.get("secrets")?,
        runner: row.get("runner")?,
        created: Time(row.get("created")?),
        updated: Time(row.get("updated")?),
        queued: time("queued")?,
        started: time("started")?,
        ended: time("ended")?,
    })
}

pub(super) async fn job(db: &Database, id: JobId) -> Result<Option<Job>, StoreError> {
    let sql = format!("{SELECT} WHERE j.id = $1");
    db.query_one("look up a job", &sql, vec![id.0.into()]).await?.as_ref().map(read_job).transpose()
}

pub(super) async fn job_in(tx: &Tx, id: JobId) -> Result<Option<Job>, StoreError> {
    let sql = format!("{SELECT} WHERE j.id = $1");
    tx.query_one(&sql, vec![id.0.into()]).await?.as_ref().map(read_job).transpose()
}

/// Those of these jobs that there are.
pub(crate) async fn jobs_in(tx: &Tx, ids: &[JobId]) -> Result<HashMap<JobId, Job>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("{SELECT} WHERE j.id IN ({})", numbered(ids.len()));
    let rows = tx.query_all(&sql, ids.iter().map(|id| id.0.into()).collect()).await?;
    rows.iter().map(|row| read_job(row).map(|job| (job.id, job))).collect()
}

/// Numbers that one statement names; more are asked for in several.
const AT_ONCE: usize = 500;

/// Rows of a statement whose `{}` becomes the list of these numbers.
async fn rows_of(
    db: &Database,
    tried: &'static str,
    sql: &str,
    jobs: &[JobId],
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for some in jobs.chunks(AT_ONCE) {
        let values = some.iter().map(|job| job.0.into()).collect();
        rows.extend(db.query_all(tried, &sql.replace("{}", &numbered(some.len())), values).await?);
    }
    Ok(rows)
}

/// `$1, $2, …`.
pub(crate) fn numbered(count: usize) -> String {
    (1..=count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

/// What belongs to each job, in the order of the rows.
fn by_job<T>(
    rows: Vec<Row>,
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<HashMap<JobId, Vec<T>>, StoreError> {
    let mut found = HashMap::<JobId, Vec<T>>::new();
    for row in rows {
        found.entry(JobId(row.get("job")?)).or_default().push(read(&row)?);
    }
    Ok(found)
}

pub(super) async fn manifests(db: &Database, jobs: &[JobId]) -> Result<HashMap<JobId, String>, StoreError> {
    let sql = "SELECT id, manifest FROM jobs WHERE id IN ({})";
    let rows = rows_of(db, "read the manifests of jobs", sql, jobs).await?;
    rows.iter().map(|row| Ok((JobId(row.get("id")?), row.get("manifest")?))).collect()
}

pub(super) async fn steps(db: &Database, jobs: &[JobId]) -> Result<HashMap<JobId, Vec<Step>>, StoreError> {
    let sql = "SELECT s.job, s.id, s.position, s.name, r.status, r.exit, r.started, r.ended,
            (SELECT CAST(COALESCE(SUM(l.size), 0) AS BIGINT) FROM attempts a
                JOIN attempt_logs l ON l.attempt = a.id AND l.log = s.position
                WHERE a.work IN (SELECT o.work FROM job_rounds o WHERE o.job = s.job)) AS log_bytes
        FROM steps s JOIN jobs j ON j.id = s.job
        LEFT JOIN step_runs r ON r.position = s.position AND r.attempt =
            (SELECT a.id FROM attempts a WHERE a.work = j.work ORDER BY a.number DESC LIMIT 1)
        WHERE s.job IN ({}) ORDER BY s.job, s.position";
    by_job(rows_of(db, "list the steps of jobs", sql, jobs).await?, read_step)
}

fn read_step(row: &Row) -> Result<Step, StoreError> {
    let exit: Option<i64> = row.get("exit")?;
    Ok(Step {
        id: StepId(row.get("id")?),
        position: narrow(row, "position")?,
        name: row.get("name")?,
        status: optional_word(row, "status")?.unwrap_or(StepStatus::Pending),
        exit: exit.map(|exit| i32::try_from(exit).unwrap_or(i32::MAX)),
        started: row.get::<Option<i64>>("started")?.map(Time),
        ended: row.get::<Option<i64>>("ended")?.map(Time),
        log_bytes: row.get("log_bytes")?,
    })
}

pub(super) async fn events(
    db: &Database,
    job: JobId,
    after: i64,
    limit: u32,
) -> Result<Vec<Event>, StoreError> {
    let sql = "SELECT number, at, fact FROM events WHERE job = $1 AND number > $2 ORDER BY number LIMIT $3";
    let values = vec![job.0.into(), after.into(), i64::from(limit).into()];
    let rows = db.query_all("list the events of a job", sql, values).await?;
    let event = |row: &Row| {
        Ok(Event { number: row.get("number")?, at: Time(row.get("at")?), fact: from_json(row, "fact")? })
    };
    rows.iter().map(event).collect()
}

pub(super) async fn root_work(db: &Database, job: JobId) -> Result<WorkId, StoreError> {
    let sql = "SELECT work FROM jobs WHERE id = $1";
    match db.query_one("look up the work of a job", sql, vec![job.0.into()]).await? {
        Some(row) => row.get("work").map(WorkId),
        None => Err(StoreError::Missing(format!("job {job}"))),
    }
}

pub(super) async fn culprit(db: &Database, job: JobId) -> Result<Option<Culprit>, StoreError> {
    let sql = "SELECT c.id, c.cause, c.message FROM jobs j JOIN works w ON w.id = j.work
        JOIN works c ON c.id = w.culprit WHERE j.id = $1 AND j.cause = $2";
    let values = vec![job.0.into(), Cause::DependencyFailed.to_string().into()];
    let Some(row) = db.query_one("look up why a job failed", sql, values).await? else { return Ok(None) };
    Ok(Some(Culprit {
        work: WorkId(row.get("id")?),
        cause: optional_word(&row, "cause")?.unwrap_or(Cause::Infrastructure),
        message: row.get("message")?,
    }))
}

pub(super) async fn attempts(tx: &Tx, job: &JobId) -> Result<Vec<AttemptSummary>, StoreError> {
    // A later round may have joined the work of an earlier one.
    let sql = "SELECT a.id, a.number, a.fence, r.name, a.leased, a.ended, a.cause, a.message FROM
            (SELECT work, MIN(round) AS round FROM job_rounds WHERE job = $1 GROUP BY work) AS o
        JOIN attempts a ON a.work = o.work JOIN runners r ON r.id = a.runner
        ORDER BY o.round, a.number";
    let mut attempts = Vec::new();
    for row in tx.query_all(sql, vec![job.0.into()]).await? {
        let id = AttemptId(row.get("id")?);
        attempts.push(AttemptSummary {
            id,
            number: narrow(&row, "number")?,
            fence: Fence(row.get("fence")?),
            runner: row.get("name")?,
            leased: Time(row.get("leased")?),
            ended: row.get::<Option<i64>>("ended")?.map(Time),
            cause: optional_word(&row, "cause")?,
            message: row.get("message")?,
            facts: facts(tx, id).await?,
        });
    }
    Ok(attempts)
}

async fn facts(tx: &Tx, attempt: AttemptId) -> Result<Vec<(String, String)>, StoreError> {
    let sql = "SELECT key, value FROM attempt_facts WHERE attempt = $1 ORDER BY number";
    let rows = tx.query_all(sql, vec![attempt.0.into()]).await?;
    rows.iter().map(|row| Ok((row.get("key")?, row.get("value")?))).collect()
}

/// Columns of [`read_artifact`], from `artifacts f`.
const ARTIFACT: &str = "SELECT f.id, f.path, f.size, f.sha256, f.link,
    COALESCE(f.created, (SELECT a.leased FROM attempts a WHERE a.id = f.attempt)) AS created";

/// Those of the last attempt: what an attempt published that was lost afterwards is not a result.
pub(super) async fn artifacts(
    db: &Database,
    jobs: &[JobId],
) -> Result<HashMap<JobId, Vec<Artifact>>, StoreError> {
    let sql = format!(
        "{ARTIFACT}, j.id AS job FROM jobs j JOIN artifacts f ON f.attempt =
            (SELECT a.id FROM attempts a WHERE a.work = j.work ORDER BY a.number DESC LIMIT 1)
        WHERE j.id IN ({{}}) ORDER BY f.id"
    );
    by_job(rows_of(db, "list the artifacts of jobs", &sql, jobs).await?, read_artifact)
}

pub(super) async fn artifact_by_link(db: &Database, link: &str) -> Result<Option<Artifact>, StoreError> {
    let sql = format!("{ARTIFACT} FROM artifacts f WHERE f.link = $1");
    let row = db.query_one("look up an artifact by its link", &sql, vec![link.into()]).await?;
    row.as_ref().map(read_artifact).transpose()
}

fn read_artifact(row: &Row) -> Result<Artifact, StoreError> {
    Ok(Artifact {
        id: ArtifactId(row.get("id")?),
        path: row.get("path")?,
        size: narrow(row, "size")?,
        sha256: row.get("sha256")?,
        created: Time(row.get("created")?),
        link: row.get("link")?,
    })
}
