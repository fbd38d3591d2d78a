//! Lists of jobs, newest first, by keyset.

use super::read;
use crate::db::Database;
use ropewalk_core::port::{JobFilter, Page, StoreError};
use ropewalk_model::ids::UserId;
use ropewalk_model::job::{Job, JobKind, Visibility};
use sea_orm::Value;

/// Longest part that one call gives.
const MOST: u32 = 1000;

pub(super) async fn jobs(
    db: &Database,
    filter: &JobFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Page<Job>, StoreError> {
    let limit = limit.clamp(1, MOST);
    let mut query = Query::default();
    query.narrow(filter, before);
    let sql = query.sql(filter.seen_by, limit);
    let mut items = Vec::new();
    for row in db.query_all("list jobs", &sql, query.values).await? {
        items.push(read::read_job(&row)?);
    }
    // One more than asked for was read, to see whether there is a next part.
    let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|job| job.id.0);
    Ok(Page { items, next })
}

pub(super) async fn count(db: &Database, owner: UserId, kind: JobKind) -> Result<u64, StoreError> {
    let sql = "SELECT count FROM job_counts WHERE owner = $1 AND kind = $2";
    let values = vec![owner.0.into(), kind.to_string().into()];
    let row = db.query_one("count the jobs of a user", sql, values).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.get("count"))?;
    u64::try_from(count).map_err(|_| StoreError::Corrupt(format!("user {owner} has {count} jobs")))
}

#[derive(Default)]
struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn with(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.conditions.push(condition.replace('?', &format!("${}", self.values.len())));
    }

    fn narrow(&mut self, filter: &JobFilter, before: Option<i64>) {
        if let Some(before) = before {
            self.with("j.id < ?", before);
        }
        if let Some(owner) = filter.owner {
            self.with("j.owner = ?", owner.0);
        }
        if let Some(visibility) = filter.visibility {
            self.with("j.visibility = ?", visibility.to_string());
        }
        if let Some(kind) = filter.kind {
            self.with("j.kind = ?", kind.to_string());
        }
        if let Some(status) = filter.status {
            self.with("j.status = ?", status.to_string());
        }
        if let Some(groups) = &filter.groups {
            // PostgreSQL knows no empty list; no number is null.
            let mut places = vec!["NULL".to_string()];
            for group in groups {
                self.values.push(group.0.into());
                places.push(format!("${}", self.values.len()));
            }
            self.conditions.push(format!("j.job_group IN ({})", places.join(", ")));
        }
    }

    /// What a user may see is the union of two lists, each with an index of its own, so that neither is searched
    /// through other people's private jobs.
    fn sql(&mut self, seen_by: Option<Option<UserId>>, limit: u32) -> String {
        let limit = u64::from(limit) + 1;
        match seen_by {
            None => self.select(limit, &[]),
            Some(user) => {
                self.values.push(Visibility::Public.to_string().into());
                let public = format!("j.visibility = ${}", self.values.len());
                let Some(user) = user else { return self.select(limit, &[public]) };
                self.values.push(user.0.into());
                let at = self.values.len();
                let own = self.select(limit, &[format!("j.owner = ${at}")]);
                let others = self.select(limit, &[public, format!("j.owner <> ${at}")]);
                format!(
                    "SELECT * FROM (SELECT * FROM ({own}) AS own UNION ALL SELECT * FROM ({others}) AS others) AS seen
                    ORDER BY id DESC LIMIT {limit}"
                )
            }
        }
    }

    fn select(&self, limit: u64, further: &[String]) -> String {
        let conditions: Vec<&str> = self.conditions.iter().chain(further).map(String::as_str).collect();
        let whether = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        format!("{}{whether} ORDER BY j.id DESC LIMIT {limit}", read::SELECT)
    }
}
