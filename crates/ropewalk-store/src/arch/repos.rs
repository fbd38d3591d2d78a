//! Rows of repositories and their packages.

#[cfg(test)]
mod work;

use super::repo_lists;
use crate::SqlStore;
use crate::db::{Database, Row, Tx, Write};
use async_trait::async_trait;
use ropewalk_core::port::{
    BlobRef, DatabaseRow, EntryText, NewPackage, PackageRow, Packages, RepoLimits, Repository, StoreError,
};
use ropewalk_model::fault::Point;
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use std::collections::HashMap;

const PUBLISH: Write =
    Write::durable("publish a package").points(Point::PublishBeforeCommit, Point::PublishAfterCommit);
const UNPUBLISH: Write =
    Write::durable("remove a package").points(Point::UnpublishBeforeCommit, Point::UnpublishAfterCommit);
const FORGET: Write = Write::durable("forget replaced files");

/// Packages whose parts are in memory twice while a database is put together.
const PAGE: i64 = 256;

#[async_trait]
impl Packages for SqlStore {
    async fn repository_owner(&self, repo: &str) -> Result<Option<UserId>, StoreError> {
        let sql = format!("SELECT owner FROM arch_repos r WHERE name = $1 AND {OWNED}");
        let values = vec![repo.into(), true.into()];
        let row = self.db.query_one("look up a repository", &sql, values).await?;
        row.map(|row| row.get("owner").map(UserId)).transpose()
    }

    async fn publish(&self, new: NewPackage) -> Result<Vec<String>, StoreError> {
        self.db.write(PUBLISH, (self.now(), new), publish).await
    }

    async fn repo_database(&self, repo: &str, arch: &str) -> Result<Option<DatabaseRow>, StoreError> {
        database(&self.db, repo, arch).await
    }

    async fn database_parts(
        &self,
        repo: i64,
        arch: &str,
        with_files: bool,
    ) -> Result<(DatabaseRow, Vec<u8>), StoreError> {
        self.db.read("read a database", (repo, arch.to_owned(), with_files), parts).await
    }

    async fn package_file(
        &self,
        repo: &str,
        arch: &str,
        file: &str,
    ) -> Result<Option<(BlobRef, i64)>, StoreError> {
        let sql = "SELECT p.sha256, p.size, p.published, 0 AS age, p.id AS number FROM arch_packages p
                JOIN arch_repos r ON r.id = p.repo WHERE r.name = $1 AND p.arch = $2 AND p.file = $3
            UNION ALL SELECT o.sha256, o.size, o.published, 1 AS age, o.id AS number FROM arch_replaced o
                JOIN arch_repos r ON r.id = o.repo
                WHERE r.name = $1 AND o.arch = $2 AND o.file = $3 AND o.until > $4
            ORDER BY age, number DESC LIMIT 1";
        let values = vec![repo.into(), arch.into(), file.into(), self.now().0.into()];
        let Some(row) = self.db.query_one("look up a package", sql, values).await? else { return Ok(None) };
        let size: i64 = row.get("size")?;
        let blob = BlobRef { sha256: row.get("sha256")?, size: u64::try_from(size).unwrap_or(0) };
        Ok(Some((blob, row.get("published")?)))
    }

    async fn package_description(
        &self,
        repo: &str,
        arch: &str,
        entry: &str,
    ) -> Result<Option<EntryText>, StoreError> {
        let sql = "SELECT p.description, p.published, p.sha256 FROM arch_packages p JOIN arch_repos r ON r.id = p.repo
            WHERE r.name = $1 AND p.arch = $2 AND p.entry = $3";
        let values = vec![repo.into(), arch.into(), entry.into()];
        let row = self.db.query_one("look up a package", sql, values).await?;
        let text = |row: Row| {
            let (text, published) = (row.get("description")?, row.get("published")?);
            Ok(EntryText { text, published, sha256: row.get("sha256")? })
        };
        row.map(text).transpose()
    }

    async fn unpublish(
        &self,
        repo: &str,
        arch: Option<&str>,
        package: Option<&str>,
    ) -> Result<bool, StoreError> {
        let input = (self.now(), repo.to_owned(), arch.map(String::from), package.map(String::from));
        self.db.write(UNPUBLISH, input, unpublish).await
    }

    async fn repositories(
        &self,
        after: &str,
        with_empty: bool,
        limit: u32,
    ) -> Result<Vec<Repository>, StoreError> {
        repo_lists::repositories(&self.db, after, with_empty, limit).await
    }

    async fn repository(&self, name: &str, with_empty: bool) -> Result<Option<Repository>, StoreError> {
        repo_lists::repository(&self.db, name, with_empty).await
    }

    async fn package_counts(&self, repo: i64) -> Result<HashMap<String, u64>, StoreError> {
        repo_lists::package_counts(&self.db, repo).await
    }

    async fn packages(
        &self,
        repo: i64,
        arch: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<PackageRow>, StoreError> {
        repo_lists::packages(&self.db, repo, arch, after, limit).await
    }

    async fn forget_replaced(&self, limit: u32) -> Result<u64, StoreError> {
        self.db.write(FORGET, (self.now(), limit), forget).await
    }
}

/// Whether somebody owns a repository `r` of which nothing may be left; `$2` is true. Its row stays for ever.
const OWNED: &str = "(r.present = $2 OR EXISTS (SELECT 1 FROM arch_targets t WHERE t.repo = r.name))";

/// Claims the name of a repository, which belongs to whoever is first, and locks it until the transaction ends; its number
/// and owner. What was removed and what no target names is whose who comes next.
pub(super) async fn claim(tx: &Tx, name: &str, by: UserId) -> Result<(i64, UserId), StoreError> {
    let sql =
        "INSERT INTO arch_repos (name, owner, present) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    tx.execute(sql, vec![name.into(), by.0.into(), false.into()]).await?;
    let Some((repo, owner)) = lock(tx, name).await? else {
        return Err(StoreError::Corrupt(format!("the repository {name}, which cannot be made")));
    };
    let sql = format!("UPDATE arch_repos AS r SET owner = $3 WHERE name = $1 AND NOT {OWNED}");
    let is_new = tx.execute(&sql, vec![name.into(), true.into(), by.0.into()]).await? > 0;
    Ok((repo, if is_new { by } else { owner }))
}

/// Locks a repository until the transaction ends; its number and owner.
async fn lock(tx: &Tx, name: &str) -> Result<Option<(i64, UserId)>, StoreError> {
    let sql = format!("SELECT id, owner FROM arch_repos WHERE name = $1{}", tx.for_update());
    let row = tx.query_one(&sql, vec![name.into()]).await?;
    row.map(|row| Ok((row.get("id")?, UserId(row.get("owner")?)))).transpose()
}

async fn publish(tx: &Tx, (now, new): &(Time, NewPackage)) -> Result<Vec<String>, StoreError> {
    let (repo, owner) = claim(tx, &new.repo, new.owner).await?;
    if !new.any_repo && owner != new.owner {
        return Err(StoreError::Refused(format!("the repository {} belongs to somebody else", new.repo)));
    }
    tx.execute("UPDATE arch_repos SET present = $2 WHERE id = $1", vec![repo.into(), true.into()]).await?;
    let archs = match new.arch.as_str() {
        "any" => archs_for_any(tx, repo, &new.default_arch).await?,
        arch => vec![arch.to_string()],
    };
    for arch in &archs {
        open(tx, repo, arch, new.limits).await?;
        replace(tx, *now, repo, arch, new).await?;
        touch(tx, *now, repo, arch).await?;
    }
    Ok(archs)
}

async fn archs_for_any(tx: &Tx, repo: i64, default: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT arch FROM arch_databases WHERE repo = $1 AND present = $2";
    let rows = tx.query_all(sql, vec![repo.into(), true.into()]).await?;
    let mut archs = rows.iter().map(|row| row.get("arch")).collect::<Result<Vec<String>, _>>()?;
    archs.push(default.into());
    archs.sort();
    archs.dedup();
    Ok(archs)
}

/// Makes sure that an architecture is there. A new one gets the repository's packages for `any`.
async fn open(tx: &Tx, repo: i64, arch: &str, limits: RepoLimits) -> Result<(), StoreError> {
    let sql = "SELECT present FROM arch_databases WHERE repo = $1 AND arch = $2";
    let known = tx.query_one(sql, vec![repo.into(), arch.into()]).await?;
    if known.map(|row| row.get::<bool>("present")).transpose()? == Some(true) {
        return Ok(());
    }
    let sql = "SELECT COUNT(*) AS count FROM arch_databases WHERE repo = $1 AND present = $2";
    let row = tx.query_one(sql, vec![repo.into(), true.into()]).await?;
    if row.map_or(Ok(0), |row| row.get::<i64>("count"))? >= i64::from(limits.archs) {
        let most = limits.archs;
        return Err(StoreError::Full(format!(
            "the repository has {most} architectures, and may have no more (arch.architectures): {arch} would be another one"
        )));
    }
    let sql = "INSERT INTO arch_databases (repo, arch, present, revision, modified) VALUES ($1, $2, $3, 0, 0)
        ON CONFLICT (repo, arch) DO UPDATE SET present = excluded.present";
    tx.execute(sql, vec![repo.into(), arch.into(), true.into()]).await?;
    tx.execute(COPY_ANY, vec![repo.into(), arch.into()]).await?;
    let sql =
        "UPDATE arch_databases SET bytes = (SELECT COALESCE(SUM(LENGTH(p.in_files)), 0) FROM arch_packages p
            WHERE p.repo = $1 AND p.arch = $2) WHERE repo = $1 AND arch = $2";
    tx.execute(sql, vec![repo.into(), arch.into()]).await.map(|_| ())
}

/// The newest package of each name for `any`, for an architecture that had none before.
const COPY_ANY: &str = "
    INSERT INTO arch_packages (repo, arch, name, entry, package_arch, file, sha256, size, description, in_db, in_files,
        published)
    SELECT p.repo, $2, p.name, p.entry, p.package_arch, p.file, p.sha256, p.size, p.description, p.in_db, p.in_files,
        p.published
    FROM arch_packages p WHERE p.repo = $1 AND p.package_arch = 'any' AND p.id = (SELECT MAX(q.id)
        FROM arch_packages q WHERE q.repo = p.repo AND q.name = p.name AND q.package_arch = 'any')";

async fn replace(tx: &Tx, now: Time, repo: i64, arch: &str, new: &NewPackage) -> Result<(), StoreError> {
    let sql = "INSERT INTO arch_replaced (repo, arch, name, file, sha256, size, published, until)
        SELECT repo, arch, name, file, sha256, size, published, $5 FROM arch_packages
        WHERE repo = $1 AND arch = $2 AND name = $3 AND file <> $4";
    let until = now.plus(new.keep_replaced);
    let (name, file) = (new.name.as_str(), new.file.as_str());
    let values = vec![repo.into(), arch.into(), name.into(), file.into(), until.0.into()];
    tx.execute(sql, values).await?;
    let before = take_out(tx, repo, arch, name).await?.unwrap_or(0);
    let sql = "INSERT INTO arch_packages (repo, arch, name, entry, package_arch, file, sha256, size, description, in_db,
        in_files, published) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let values = vec![
        repo.into(),
        arch.into(),
        name.into(),
        new.entry.as_str().into(),
        new.arch.as_str().into(),
        file.into(),
        new.blob.sha256.as_str().into(),
        i64::try_from(new.blob.size).unwrap_or(i64::MAX).into(),
        new.description.as_str().into(),
        new.in_db.clone().into(),
        new.in_files.clone().into(),
        seconds(now).into(),
    ];
    tx.execute(sql, values).await?;
    let more = i64::try_from(new.in_files.len()).unwrap_or(i64::MAX) - before;
    match grow(tx, repo, arch, more).await? {
        bytes if u64::try_from(bytes).unwrap_or(0) > new.limits.bytes => Err(StoreError::Full(format!(
            "the database of {}/{arch} would have more than {} bytes (arch.database)",
            new.repo, new.limits.bytes
        ))),
        _ => Ok(()),
    }
}

/// Removes a package from a database; the bytes of its part, if it was there.
async fn take_out(tx: &Tx, repo: i64, arch: &str, name: &str) -> Result<Option<i64>, StoreError> {
    let sql = "DELETE FROM arch_packages WHERE repo = $1 AND arch = $2 AND name = $3
        RETURNING CAST(LENGTH(in_files) AS BIGINT) AS bytes";
    let row = tx.query_one(sql, vec![repo.into(), arch.into(), name.into()]).await?;
    row.map(|row| row.get("bytes")).transpose()
}

/// Counts bytes that a database has gained; how many it has now.
async fn grow(tx: &Tx, repo: i64, arch: &str, more: i64) -> Result<i64, StoreError> {
    let sql = "UPDATE arch_databases SET bytes = bytes + $3 WHERE repo = $1 AND arch = $2 RETURNING bytes";
    let row = tx.query_one(sql, vec![repo.into(), arch.into(), more.into()]).await?;
    row.map_or(Ok(0), |row| row.get("bytes"))
}

fn seconds(at: Time) -> i64 {
    at.0.div_euclid(1_000_000)
}

/// Two changes in one second have two times, or a client that read in between would not see the second.
async fn touch(tx: &Tx, now: Time, repo: i64, arch: &str) -> Result<(), StoreError> {
    let sql = "UPDATE arch_databases SET revision = revision + 1,
        modified = CASE WHEN modified >= $3 THEN modified + 1 ELSE $3 END WHERE repo = $1 AND arch = $2";
    tx.execute(sql, vec![repo.into(), arch.into(), seconds(now).into()]).await.map(|_| ())
}

async fn database(db: &Database, repo: &str, arch: &str) -> Result<Option<DatabaseRow>, StoreError> {
    let sql = "SELECT r.id, d.present, d.revision, d.modified,
            CASE WHEN EXISTS (SELECT 1 FROM arch_targets t WHERE t.repo = r.name) THEN 1 ELSE 0 END AS named
        FROM arch_repos r LEFT JOIN arch_databases d ON d.repo = r.id AND d.arch = $2 WHERE r.name = $1";
    let row = db.query_one("look up a repository", sql, vec![repo.into(), arch.into()]).await?;
    let Some(row) = row else { return Ok(None) };
    let present = row.get::<Option<bool>>("present")? == Some(true);
    // PostgreSQL's literals are narrower than its columns.
    let named = row.get::<i32>("named")? == 1;
    let or_none = |column: &str| row.get::<Option<i64>>(column).map(Option::unwrap_or_default);
    let found =
        DatabaseRow { repo: row.get("id")?, revision: or_none("revision")?, modified: or_none("modified")? };
    Ok((present || named).then_some(found))
}

async fn parts(
    tx: &Tx,
    (repo, arch, with_files): &(i64, String, bool),
) -> Result<(DatabaseRow, Vec<u8>), StoreError> {
    let sql = "SELECT revision, modified FROM arch_databases WHERE repo = $1 AND arch = $2";
    let (revision, modified) = match tx.query_one(sql, vec![(*repo).into(), arch.as_str().into()]).await? {
        Some(row) => (row.get("revision")?, row.get("modified")?),
        None => (0, 0),
    };
    let column = if *with_files { "in_files" } else { "in_db" };
    let sql = format!(
        "SELECT name, {column} AS part FROM arch_packages WHERE repo = $1 AND arch = $2 AND name > $3
        ORDER BY name LIMIT $4"
    );
    let (mut bytes, mut after) = (vec![], String::new());
    loop {
        let values = vec![(*repo).into(), arch.as_str().into(), after.as_str().into(), PAGE.into()];
        let rows = tx.query_all(&sql, values).await?;
        let Some(last) = rows.last() else { break };
        after = last.get("name")?;
        for row in &rows {
            bytes.extend(row.get::<Vec<u8>>("part")?);
        }
    }
    Ok((DatabaseRow { repo: *repo, revision, modified }, bytes))
}

async fn unpublish(
    tx: &Tx,
    (now, name, arch, package): &(Time, String, Option<String>, Option<String>),
) -> Result<bool, StoreError> {
    let Some((repo, _)) = lock(tx, name).await? else { return Ok(false) };
    match (arch, package) {
        (Some(arch), Some(package)) => remove_package(tx, *now, repo, arch, package).await,
        (Some(arch), None) => remove_arch(tx, *now, repo, arch).await,
        (None, _) => remove_repository(tx, *now, repo).await,
    }
}

async fn remove_package(tx: &Tx, now: Time, repo: i64, arch: &str, name: &str) -> Result<bool, StoreError> {
    let Some(bytes) = take_out(tx, repo, arch, name).await? else { return Ok(false) };
    grow(tx, repo, arch, -bytes).await?;
    let sql = "DELETE FROM arch_replaced WHERE repo = $1 AND arch = $2 AND name = $3";
    tx.execute(sql, vec![repo.into(), arch.into(), name.into()]).await?;
    touch(tx, now, repo, arch).await.map(|()| true)
}

async fn remove_arch(tx: &Tx, now: Time, repo: i64, arch: &str) -> Result<bool, StoreError> {
    let sql =
        "UPDATE arch_databases SET present = $3, bytes = 0 WHERE repo = $1 AND arch = $2 AND present = $4";
    if tx.execute(sql, vec![repo.into(), arch.into(), false.into(), true.into()]).await? == 0 {
        return Ok(false);
    }
    for table in ["arch_packages", "arch_replaced"] {
        let sql = format!("DELETE FROM {table} WHERE repo = $1 AND arch = $2");
        tx.execute(&sql, vec![repo.into(), arch.into()]).await?;
    }
    touch(tx, now, repo, arch).await.map(|()| true)
}

async fn remove_repository(tx: &Tx, now: Time, repo: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE arch_repos SET present = $2 WHERE id = $1 AND present = $3";
    if tx.execute(sql, vec![repo.into(), false.into(), true.into()]).await? == 0 {
        return Ok(false);
    }
    let sql = "SELECT arch FROM arch_databases WHERE repo = $1 AND present = $2";
    for row in tx.query_all(sql, vec![repo.into(), true.into()]).await? {
        remove_arch(tx, now, repo, &row.get::<String>("arch")?).await?;
    }
    Ok(true)
}

async fn forget(tx: &Tx, (now, limit): &(Time, u32)) -> Result<u64, StoreError> {
    let sql = "DELETE FROM arch_replaced WHERE id IN (SELECT id FROM arch_replaced WHERE until <= $1
        ORDER BY until, id LIMIT $2)";
    tx.execute(sql, vec![now.0.into(), i64::from(*limit).into()]).await
}
