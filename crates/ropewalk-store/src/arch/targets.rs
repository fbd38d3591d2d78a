//! Rows of targets.

use super::{builds, repos};
use crate::change::{Change, word};
use crate::db::{Database, Engine, Row, Tx, Write};
use ropewalk_core::port::{StoreError, Target, TargetArch, TargetFields, TargetFilter, Window};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use sea_orm::Value;

pub(super) const CREATE: Write = Write::durable("make a target");
pub(super) const UPDATE: Write = Write::durable("change a target");
pub(super) const DELETE: Write = Write::durable("remove a target");

pub(super) struct New {
    pub(super) owner: UserId,
    pub(super) any_repo: bool,
    pub(super) fields: TargetFields,
    pub(super) archs: Vec<String>,
    pub(super) next: Time,
}

pub(super) struct Update {
    /// Number and revision.
    pub(super) target: (i64, i64),
    pub(super) any_repo: bool,
    pub(super) fields: TargetFields,
    pub(super) archs: Option<Vec<String>>,
    pub(super) next: Time,
    pub(super) now: Time,
}

pub(super) async fn create(tx: &Tx, new: &New) -> Result<Target, StoreError> {
    claim_repository(tx, &new.fields.repo, new.owner, new.any_repo).await?;
    let sql = "INSERT INTO arch_targets (owner, kind, url, branch, repo, schedule, path, revision)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 1) RETURNING id";
    let mut values = vec![new.owner.0.into()];
    values.extend(texts(&new.fields));
    let Some(row) = tx.query_one(sql, values).await? else {
        return Err(StoreError::Corrupt("a target that got no number".into()));
    };
    let id: i64 = row.get("id")?;
    insert_archs(tx, id, &new.archs, new.next).await?;
    read(tx, id).await
}

/// Targets of a repository are made by its owner, who is whoever is first.
async fn claim_repository(tx: &Tx, name: &str, by: UserId, any_repo: bool) -> Result<(), StoreError> {
    let (_, owner) = repos::claim(tx, name, by).await?;
    if any_repo || owner == by {
        return Ok(());
    }
    Err(StoreError::Refused(format!("the repository {name} belongs to somebody else: choose another name")))
}

fn texts(fields: &TargetFields) -> [Value; 6] {
    let TargetFields { kind, url, branch, repo, schedule, path } = fields;
    [kind.to_string().as_str(), url, branch, repo, schedule, path].map(Value::from)
}

async fn insert_archs(tx: &Tx, target: i64, archs: &[String], next: Time) -> Result<(), StoreError> {
    for arch in archs {
        let sql = "INSERT INTO arch_target_archs (target, value, next_at) VALUES ($1, $2, $3)";
        tx.execute(sql, vec![target.into(), arch.as_str().into(), next.0.into()]).await?;
    }
    Ok(())
}

const SELECT: &str = "SELECT t.id, t.owner, t.kind, t.url, t.branch, t.repo, t.schedule, t.path, t.revision, \
    a.id AS arch_id, a.value";
const ARCHS: &str = "LEFT JOIN arch_target_archs a ON a.target = t.id ORDER BY t.id, a.id";

pub(super) async fn by_id(tx: &Tx, id: &i64) -> Result<Option<Target>, StoreError> {
    let sql = format!("{SELECT} FROM (SELECT * FROM arch_targets WHERE id = $1) t {ARCHS}");
    Ok(gather(tx.query_all(&sql, vec![(*id).into()]).await?)?.pop())
}

pub(super) async fn read(tx: &Tx, id: i64) -> Result<Target, StoreError> {
    by_id(tx, &id).await?.ok_or_else(|| StoreError::Missing(format!("target {id}")))
}

pub(super) async fn list(
    db: &Database,
    filter: &TargetFilter,
    window: Window,
) -> Result<Vec<Target>, StoreError> {
    let position = match db.engine() {
        Engine::Sqlite => "instr",
        Engine::Postgres => "strpos",
    };
    let sql = format!(
        "{SELECT} FROM (SELECT * FROM arch_targets o WHERE ($1 = '' OR o.repo = $1)
            AND ($2 = '' OR EXISTS (SELECT 1 FROM arch_target_archs x WHERE x.target = o.id AND x.value = $2))
            AND ($3 = '' OR {position}(o.url, $3) > 0 OR {position}(o.path, $3) > 0 OR {position}(o.branch, $3) > 0)
            AND o.id > $6 ORDER BY o.id LIMIT $4 OFFSET $5) t {ARCHS}"
    );
    let TargetFilter { repo, arch, query, after } = filter;
    let mut values: Vec<Value> = [repo, arch, query].map(|text| text.as_str().into()).into();
    values.extend([i64::from(window.limit).into(), i64::try_from(window.offset).unwrap_or(i64::MAX).into()]);
    values.push((*after).into());
    gather(db.query_all("list targets", &sql, values).await?)
}

/// Rows of one target follow each other, one for each architecture.
fn gather(rows: Vec<Row>) -> Result<Vec<Target>, StoreError> {
    let mut targets: Vec<Target> = vec![];
    for row in rows {
        let id: i64 = row.get("id")?;
        if targets.last().is_none_or(|last| last.id != id) {
            targets.push(target(&row, id)?);
        }
        let arch: Option<i64> = row.get("arch_id")?;
        if let (Some(target), Some(id)) = (targets.last_mut(), arch) {
            target.archs.push(TargetArch { id, value: row.get("value")? });
        }
    }
    Ok(targets)
}

fn target(row: &Row, id: i64) -> Result<Target, StoreError> {
    let fields = TargetFields {
        kind: word(row, "kind")?,
        url: row.get("url")?,
        branch: row.get("branch")?,
        repo: row.get("repo")?,
        schedule: row.get("schedule")?,
        path: row.get("path")?,
    };
    let (owner, revision) = (UserId(row.get("owner")?), row.get("revision")?);
    Ok(Target { id, owner, fields, archs: vec![], revision })
}

pub(super) async fn update(tx: &Tx, update: &Update) -> Result<Target, StoreError> {
    let (id, revision) = update.target;
    let before = lock(tx, id).await?;
    if before.revision != revision {
        return Err(StoreError::Conflict(format!("target {id} was changed by somebody else")));
    }
    if before.fields.repo != update.fields.repo {
        claim_repository(tx, &update.fields.repo, before.owner, update.any_repo).await?;
    }
    let sql = "UPDATE arch_targets SET kind = $2, url = $3, branch = $4, repo = $5, schedule = $6, path = $7,
        revision = revision + 1 WHERE id = $1";
    let mut values = vec![id.into()];
    values.extend(texts(&update.fields));
    tx.execute(sql, values).await?;
    match &update.archs {
        Some(archs) => {
            tx.execute("DELETE FROM arch_target_archs WHERE target = $1", vec![id.into()]).await?;
            insert_archs(tx, id, archs, update.next).await?;
        }
        None => {
            let sql = "UPDATE arch_target_archs SET next_at = $2, job = NULL WHERE target = $1";
            tx.execute(sql, vec![id.into(), update.next.0.into()]).await?;
        }
    }
    builds::invalidate(&mut Change::new(tx, update.now), id).await?;
    read(tx, id).await
}

pub(super) async fn delete(tx: &Tx, (now, id): &(Time, i64)) -> Result<(), StoreError> {
    match lock(tx, *id).await {
        Err(StoreError::Missing(_)) => return Ok(()),
        locked => locked?,
    };
    builds::invalidate(&mut Change::new(tx, *now), *id).await?;
    tx.execute("DELETE FROM arch_target_archs WHERE target = $1", vec![(*id).into()]).await?;
    tx.execute("DELETE FROM arch_targets WHERE id = $1", vec![(*id).into()]).await.map(|_| ())
}

/// Reads a target and keeps others from changing it until the transaction ends.
pub(super) async fn lock(tx: &Tx, id: i64) -> Result<Target, StoreError> {
    let sql = format!("SELECT id FROM arch_targets WHERE id = $1{}", tx.for_update());
    tx.query_one(&sql, vec![id.into()]).await?;
    read(tx, id).await
}
