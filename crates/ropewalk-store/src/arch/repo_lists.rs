//! Repositories and their packages, as people look at them.

use crate::db::{Database, Row};
use ropewalk_core::port::{PackageRow, Repository, StoreError};
use ropewalk_model::ids::UserId;
use sea_orm::Value;
use std::collections::HashMap;

/// A condition on a repository `o`; `$1` is true.
fn shown(with_empty: bool) -> &'static str {
    match with_empty {
        true => "(o.present = $1 OR EXISTS (SELECT 1 FROM arch_targets t WHERE t.repo = o.name))",
        false => "o.present = $1",
    }
}

pub(super) async fn repositories(
    db: &Database,
    after: &str,
    with_empty: bool,
    limit: u32,
) -> Result<Vec<Repository>, StoreError> {
    let which = format!("o.name > $2 AND {} ORDER BY o.name LIMIT $3", shown(with_empty));
    select(db, &which, vec![true.into(), after.into(), i64::from(limit).into()]).await
}

pub(super) async fn repository(
    db: &Database,
    name: &str,
    with_empty: bool,
) -> Result<Option<Repository>, StoreError> {
    let which = format!("o.name = $2 AND {}", shown(with_empty));
    Ok(select(db, &which, vec![true.into(), name.into()]).await?.pop())
}

/// Rows of one repository follow each other, one for each architecture.
async fn select(db: &Database, which: &str, values: Vec<Value>) -> Result<Vec<Repository>, StoreError> {
    let sql = format!(
        "SELECT r.id, r.name, r.owner, u.name AS owner_name, d.arch, d.modified
        FROM (SELECT o.id, o.name, o.owner FROM arch_repos o WHERE {which}) r JOIN users u ON u.id = r.owner
            LEFT JOIN arch_databases d ON d.repo = r.id AND d.present = $1 ORDER BY r.name, d.arch"
    );
    let mut found: Vec<Repository> = vec![];
    for row in db.query_all("list repositories", &sql, values).await? {
        let id: i64 = row.get("id")?;
        if found.last().is_none_or(|last| last.id != id) {
            found.push(repository_of(&row, id)?);
        }
        let arch: Option<String> = row.get("arch")?;
        if let (Some(repository), Some(arch)) = (found.last_mut(), arch) {
            repository.archs.push((arch, row.get("modified")?));
        }
    }
    Ok(found)
}

fn repository_of(row: &Row, id: i64) -> Result<Repository, StoreError> {
    let (name, owner_name) = (row.get("name")?, row.get("owner_name")?);
    Ok(Repository { id, name, owner: UserId(row.get("owner")?), owner_name, archs: vec![] })
}

pub(super) async fn package_counts(db: &Database, repo: i64) -> Result<HashMap<String, u64>, StoreError> {
    let sql = "SELECT arch, COUNT(*) AS packages FROM arch_packages WHERE repo = $1 GROUP BY arch";
    let rows = db.query_all("count packages", sql, vec![repo.into()]).await?;
    let count = |row: &Row| row.get::<i64>("packages").map(|count| u64::try_from(count).unwrap_or(0));
    rows.iter().map(|row| Ok((row.get("arch")?, count(row)?))).collect()
}

pub(super) async fn packages(
    db: &Database,
    repo: i64,
    arch: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<PackageRow>, StoreError> {
    let sql = "SELECT name, entry, package_arch, file, size, description, published FROM arch_packages
        WHERE repo = $1 AND arch = $2 AND name > $3 ORDER BY name LIMIT $4";
    let values = vec![repo.into(), arch.into(), after.into(), i64::from(limit).into()];
    db.query_all("list packages", sql, values).await?.iter().map(package).collect()
}

fn package(row: &Row) -> Result<PackageRow, StoreError> {
    let size: i64 = row.get("size")?;
    Ok(PackageRow {
        name: row.get("name")?,
        entry: row.get("entry")?,
        arch: row.get("package_arch")?,
        file: row.get("file")?,
        size: u64::try_from(size).unwrap_or(0),
        description: row.get("description")?,
        published: row.get("published")?,
    })
}
