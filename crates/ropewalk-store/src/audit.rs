//! Does the database hold only what this program can have written? For tests after every step, and for people who
//! restored a backup. Reads everything: not for every day.

use crate::change::{optional_word, word};
use crate::db::{Database, Tx};
use ropewalk_core::finish::{RootWork, job_status};
use ropewalk_core::port::StoreError;
use ropewalk_model::status::JobStatus;

/// Each query finds the numbers of rows that contradict others; the text says what is wrong with them.
const CONTRADICTIONS: &[(&str, &str)] = &[
    (
        "unfinished works whose count of unmet needs is wrong",
        "SELECT w.id FROM works w WHERE w.ended IS NULL AND w.unmet <> (SELECT COUNT(*) FROM work_edges e
            JOIN works n ON n.id = e.needs WHERE e.work = w.id AND n.status <> 'succeeded')",
    ),
    (
        "unfinished works whose count of those who need them is wrong",
        "SELECT w.id FROM works w WHERE w.ended IS NULL AND w.wanted <>
            (SELECT COUNT(*) FROM jobs j WHERE j.work = w.id AND j.cancel IS NULL
                AND j.status IN ('pending', 'queued', 'running'))
            + (SELECT COUNT(*) FROM work_edges e JOIN works d ON d.id = e.work
                WHERE e.needs = w.id AND d.ended IS NULL)",
    ),
    (
        "unfinished works that nobody needs and whose runner is not to be told",
        "SELECT w.id FROM works w WHERE w.ended IS NULL AND w.wanted = 0
            AND (w.status <> 'leased' OR w.cancel IS NULL)",
    ),
    (
        "works that their runner is to be told to end although they are needed",
        "SELECT w.id FROM works w WHERE w.cancel IS NOT NULL AND (w.wanted > 0 OR w.status <> 'leased')",
    ),
    (
        "works whose status contradicts what they need or whether they were released",
        "SELECT w.id FROM works w WHERE (w.status = 'waiting' AND (w.unmet = 0 OR NOT w.released))
            OR (w.status IN ('ready', 'leased') AND (w.unmet > 0 OR NOT w.released))
            OR (w.status = 'held' AND w.released AND w.not_before IS NULL)
            OR ((w.status IN ('succeeded', 'failed', 'cancelled')) <> (w.ended IS NOT NULL))
            OR ((w.status IN ('failed', 'cancelled')) <> (w.cause IS NOT NULL))",
    ),
    (
        "released works that need one that was not released",
        "SELECT w.id FROM works w JOIN work_edges e ON e.work = w.id JOIN works n ON n.id = e.needs
            WHERE w.ended IS NULL AND w.released AND n.ended IS NULL AND NOT n.released",
    ),
    (
        "unfinished works that need one which ended without success",
        "SELECT w.id FROM works w JOIN work_edges e ON e.work = w.id JOIN works n ON n.id = e.needs
            WHERE w.ended IS NULL AND n.status IN ('failed', 'cancelled')",
    ),
    (
        "works that are leased without a lease, or have a lease without being leased",
        "SELECT w.id FROM works w LEFT JOIN leases l ON l.work = w.id
            WHERE (w.status = 'leased') <> (l.work IS NOT NULL)",
    ),
    (
        "attempts that are open without a lease, or hold one after their end",
        "SELECT a.id FROM attempts a LEFT JOIN leases l ON l.attempt = a.id
            WHERE (a.ended IS NULL) <> (l.attempt IS NOT NULL)",
    ),
    (
        "leases whose fence is not that of the last attempt",
        "SELECT l.work AS id FROM leases l JOIN attempts a ON a.id = l.attempt JOIN works w ON w.id = l.work
            WHERE a.work <> l.work OR a.fence <> l.fence OR w.attempts <> a.number",
    ),
    (
        "steps that run after the end of their attempt",
        "SELECT r.attempt AS id FROM step_runs r JOIN attempts a ON a.id = r.attempt
            WHERE r.status = 'running' AND a.ended IS NOT NULL",
    ),
    (
        "jobs whose events have gaps",
        "SELECT j.id FROM jobs j WHERE j.events <> (SELECT COUNT(*) FROM events e WHERE e.job = j.id)
            OR j.events <> (SELECT COALESCE(MAX(e.number), 0) FROM events e WHERE e.job = j.id)",
    ),
    (
        "jobs that ended without a time, or have a time without having ended",
        "SELECT j.id FROM jobs j WHERE (j.status IN ('success', 'failed', 'timeout', 'cancelled'))
            <> (j.ended IS NOT NULL)",
    ),
    (
        "jobs whose current round has another work",
        "SELECT j.id FROM jobs j LEFT JOIN job_rounds o ON o.job = j.id AND o.round = j.round
            WHERE o.work IS NULL OR o.work <> j.work",
    ),
    (
        "users whose count of open jobs is wrong",
        "SELECT u.id FROM users u WHERE (SELECT COUNT(*) FROM jobs j WHERE j.owner = u.id
            AND j.status IN ('pending', 'queued', 'running'))
            <> COALESCE((SELECT o.count FROM open_jobs o WHERE o.owner = u.id), 0)",
    ),
    (
        "users whose count of all jobs of a kind is wrong",
        "SELECT j.owner AS id FROM jobs j GROUP BY j.owner, j.kind HAVING COUNT(*)
            <> COALESCE((SELECT c.count FROM job_counts c WHERE c.owner = j.owner AND c.kind = j.kind), 0)",
    ),
    (
        "groups whose count of open jobs is wrong",
        "SELECT g.id FROM job_groups g WHERE g.open <> (SELECT COUNT(*) FROM jobs j WHERE j.job_group = g.id
            AND j.status IN ('pending', 'queued', 'running'))",
    ),
    (
        "share groups whose count of running works is wrong",
        "SELECT g.id FROM share_groups g WHERE g.running <> (SELECT COUNT(*) FROM leases l
            JOIN works w ON w.id = l.work WHERE w.share_group = g.id)",
    ),
    (
        "share groups whose total differs from the sum of its hours",
        "SELECT g.id FROM share_groups g WHERE g.used <> COALESCE((SELECT SUM(u.used) FROM share_usage u
            WHERE u.share_group = g.id), 0)",
    ),
];

/// What contradicts itself, for people; empty if all is well.
pub async fn audit(db: &Database) -> Result<Vec<String>, StoreError> {
    db.read("be audited", (), find).await
}

async fn find(tx: &Tx, (): &()) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for (what, sql) in CONTRADICTIONS {
        let rows = tx.query_all(sql, vec![]).await?;
        if !rows.is_empty() {
            let numbers = rows.iter().take(20).map(|row| row.get::<i64>("id").map(|id| id.to_string()));
            found.push(format!("{what}: {}", numbers.collect::<Result<Vec<_>, _>>()?.join(", ")));
        }
    }
    found.extend(underivable_jobs(tx).await?);
    Ok(found)
}

/// Jobs whose status is not the one that follows from their root work.
async fn underivable_jobs(tx: &Tx) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT j.id, j.status, j.cause, j.execute, j.cancel, w.status AS root, w.cause AS root_cause, w.wanted
        FROM jobs j JOIN works w ON w.id = j.work ORDER BY j.id";
    let mut found = Vec::new();
    for row in tx.query_all(sql, vec![]).await? {
        let (id, status): (i64, JobStatus) = (row.get("id")?, word(&row, "status")?);
        let cancel = optional_word(&row, "cancel")?;
        if status.is_final() && cancel.is_some() {
            continue;
        }
        let root = RootWork {
            status: word(&row, "root")?,
            cause: optional_word(&row, "root_cause")?,
            wanted_by_others: row.get::<i64>("wanted")? > 0,
        };
        let derived = job_status(root, row.get("execute")?, cancel);
        if derived != (status, optional_word(&row, "cause")?) {
            found.push(format!("job {id} is {status}, but its works say {}", derived.0));
        }
    }
    Ok(found)
}
