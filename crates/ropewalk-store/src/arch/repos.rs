//! Rows of repositories and their packages.

use super::repo_lists;
use crate::SqlStore;
use crate::db::{Database, Tx, Write};
use async_trait::async_trait;
use ropewalk_core::port::{BlobRef, DatabaseRow, NewPackage, PackageRow, Packages, Repository, StoreError};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use std::collections::HashMap;

const PUBLISH: Write = Write::durable("publish a package");
const UNPUBLISH: Write = Write::durable("remove a package");
const FORGET: Write = Write::durable("forget replaced files");

#[async_trait]
impl Packages for SqlStore {
    async fn repository_owner(&self, repo: &str) -> Result<Option<UserId>, StoreError> {
        let sql = "SELECT owner FROM arch_repos WHERE name = $1";
        let row = self.db.query_one("look up a repository", sql, vec![repo.into()]).await?;
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
    ) -> Result<(DatabaseRow, Vec<Vec<u8>>), StoreError> {
        self.db.read("read a database", (repo, arch.to_owned(), with_files), parts).await
    }

    async fn package_file(
        &self,
        repo: &str,
        arch: &str,
        file: &str,
    ) -> Result<Option<(BlobRef, i64)>, StoreError> {
        let sql = "SELECT p.sha256, p.size, p.published, 0 AS old, p.id FROM arch_packages p
                JOIN arch_repos r ON r.id = p.repo WHERE r.name = $1 AND p.arch = $2 AND p.file = $3
            UNION ALL SELECT o.sha256, o.size, o.published, 1 AS old, o.id FROM arch_replaced o
                JOIN arch_repos r ON r.id = o.repo
                WHERE r.name = $1 AND o.arch = $2 AND o.file = $3 AND o.until > $4
            ORDER BY 4, 5 DESC LIMIT 1";
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
    ) -> Result<Option<(String, i64)>, StoreError> {
        let sql = "SELECT p.description, p.published FROM arch_packages p JOIN arch_repos r ON r.id = p.repo
            WHERE r.name = $1 AND p.arch = $2 AND p.entry = $3";
        let values = vec![repo.into(), arch.into(), entry.into()];
        let row = self.db.query_one("look up a package", sql, values).await?;
        row.map(|row| Ok((row.get("description")?, row.get("published")?))).transpose()
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

/// Locks a repository until the transaction ends; its number and owner.
async fn lock(tx: &Tx, name: &str) -> Result<Option<(i64, UserId)>, StoreError> {
    let sql = format!("SELECT id, owner FROM arch_repos WHERE name = $1{}", tx.for_update());
    let row = tx.query_one(&sql, vec![name.into()]).await?;
    row.map(|row| Ok((row.get("id")?, UserId(row.get("owner")?)))).transpose()
}

async fn publish(tx: &Tx, (now, new): &(Time, NewPackage)) -> Result<Vec<String>, StoreError> {
    let sql =
        "INSERT INTO arch_repos (name, owner, present) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    tx.execute(sql, vec![new.repo.as_str().into(), new.owner.0.into(), true.into()]).await?;
    let Some((repo, owner)) = lock(tx, &new.repo).await? else {
        return Err(StoreError::Corrupt(format!("the repository {}, which cannot be made", new.repo)));
    };
    if !new.any_repo && owner != new.owner {
        return Err(StoreError::Refused(format!("the repository {} belongs to somebody else", new.repo)));
    }
    tx.execute("UPDATE arch_repos SET present = $2 WHERE id = $1", vec![repo.into(), true.into()]).await?;
    let archs = match new.arch.as_str() {
        "any" => archs_for_any(tx, repo, &new.default_arch).await?,
        arch => vec![arch.to_string()],
    };
    for arch in &archs {
        open(tx, repo, arch).await?;
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
async fn open(tx: &Tx, repo: i64, arch: &str) -> Result<(), StoreError> {
    let sql = "SELECT present FROM arch_databases WHERE repo = $1 AND arch = $2";
    let known = tx.query_one(sql, vec![repo.into(), arch.into()]).await?;
    if known.map(|row| row.get::<bool>("present")).transpose()? == Some(true) {
        return Ok(());
    }
    let sql = "INSERT INTO arch_databases (repo, arch, present, revision, modified) VALUES ($1, $2, $3, 0, 0)
        ON CONFLICT (repo, arch) DO UPDATE SET present = excluded.present";
    tx.execute(sql, vec![repo.into(), arch.into(), true.into()]).await?;
    let sql = "INSERT INTO arch_packages (repo, arch, name, entry, package_arch, file, sha256, size, description, in_db,
            in_files, published)
        SELECT p.repo, $2, p.name, p.entry, p.package_arch, p.file, p.sha256, p.size, p.description, p.in_db, p.in_files,
            p.published
        FROM arch_packages p WHERE p.repo = $1 AND p.package_arch = 'any' AND p.id = (SELECT MAX(q.id)
            FROM arch_packages q WHERE q.repo = p.repo AND q.name = p.name AND q.package_arch = 'any')";
    tx.execute(sql, vec![repo.into(), arch.into()]).await.map(|_| ())
}

async fn replace(tx: &Tx, now: Time, repo: i64, arch: &str, new: &NewPackage) -> Result<(), StoreError> {
    let sql = "INSERT INTO arch_replaced (repo, arch, name, file, sha256, size, published, until)
        SELECT repo, arch, name, file, sha256, size, published, $5 FROM arch_packages
        WHERE repo = $1 AND arch = $2 AND name = $3 AND file <> $4";
    let until = now.plus(new.keep_replaced);
    let (name, file) = (new.name.as_str(), new.file.as_str());
    let values = vec![repo.into(), arch.into(), name.into(), file.into(), until.0.into()];
    tx.execute(sql, values).await?;
    let sql = "DELETE FROM arch_packages WHERE repo = $1 AND arch = $2 AND name = $3";
    tx.execute(sql, vec![repo.into(), arch.into(), name.into()]).await?;
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
    tx.execute(sql, values).await.map(|_| ())
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
) -> Result<(DatabaseRow, Vec<Vec<u8>>), StoreError> {
    let sql = "SELECT revision, modified FROM arch_databases WHERE repo = $1 AND arch = $2";
    let (revision, modified) = match tx.query_one(sql, vec![(*repo).into(), arch.as_str().into()]).await? {
        Some(row) => (row.get("revision")?, row.get("modified")?),
        None => (0, 0),
    };
    let column = if *with_files { "in_files" } else { "in_db" };
    let sql =
        format!("SELECT {column} AS part FROM arch_packages WHERE repo = $1 AND arch = $2 ORDER BY name");
    let rows = tx.query_all(&sql, vec![(*repo).into(), arch.as_str().into()]).await?;
    let parts = rows.iter().map(|row| row.get("part")).collect::<Result<Vec<Vec<u8>>, _>>()?;
    Ok((DatabaseRow { repo: *repo, revision, modified }, parts))
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
    let values = || vec![repo.into(), arch.into(), name.into()];
    let sql = "DELETE FROM arch_packages WHERE repo = $1 AND arch = $2 AND name = $3";
    if tx.execute(sql, values()).await? == 0 {
        return Ok(false);
    }
    tx.execute("DELETE FROM arch_replaced WHERE repo = $1 AND arch = $2 AND name = $3", values()).await?;
    touch(tx, now, repo, arch).await.map(|()| true)
}

async fn remove_arch(tx: &Tx, now: Time, repo: i64, arch: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE arch_databases SET present = $3 WHERE repo = $1 AND arch = $2 AND present = $4";
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
