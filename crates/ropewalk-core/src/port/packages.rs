//! Package repositories.

use super::{BlobRef, StoreError};
use async_trait::async_trait;
use ropewalk_model::ids::UserId;
use std::collections::HashMap;
use std::time::Duration;

/// A package to be published.
#[derive(Clone, Debug)]
pub struct NewPackage {
    /// Name of the repository; made if it is new.
    pub repo: String,
    /// Who publishes.
    pub owner: UserId,
    /// Whether that may be to a repository of somebody else.
    pub any_repo: bool,
    /// Where packages for `any` always go.
    pub default_arch: String,
    /// Its name.
    pub name: String,
    /// Name of its entry in databases.
    pub entry: String,
    /// Its architecture, or `any`.
    pub arch: String,
    /// Name of its file.
    pub file: String,
    /// Its bytes.
    pub blob: BlobRef,
    /// The text `desc`.
    pub description: String,
    /// Its part of the database.
    pub in_db: Vec<u8>,
    /// Its part of the database with lists of files.
    pub in_files: Vec<u8>,
    /// How long the file that it replaces can still be read.
    pub keep_replaced: Duration,
    /// What the repository may hold with it.
    pub limits: RepoLimits,
}

/// How large a repository may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepoLimits {
    /// Architectures.
    pub archs: u32,
    /// Bytes of the parts of one database, with their lists of files.
    pub bytes: u64,
}

/// What an entry of a database says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryText {
    /// The text `desc`.
    pub text: String,
    /// When it was published, in seconds since 1970.
    pub published: i64,
    /// Of the package's file.
    pub sha256: String,
}

/// A database as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseRow {
    /// Number of the repository.
    pub repo: i64,
    /// Counts its changes; 0 if nothing was ever published.
    pub revision: i64,
    /// Seconds since 1970; more with every change.
    pub modified: i64,
}

/// A repository, as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: UserId,
    /// Their name.
    pub owner_name: String,
    /// Architectures that something was published for, sorted, with the last change of each in seconds since 1970.
    pub archs: Vec<(String, i64)>,
}

/// A package of a repository, as people look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRow {
    /// Its name.
    pub name: String,
    /// Name of its entry in databases: `NAME-VERSION`.
    pub entry: String,
    /// Its own architecture, or `any`.
    pub arch: String,
    /// Name of its file.
    pub file: String,
    /// Bytes of its file.
    pub size: u64,
    /// The text `desc`.
    pub description: String,
    /// When it was published, in seconds since 1970.
    pub published: i64,
}

impl PackageRow {
    /// With epoch and release.
    pub fn version(&self) -> &str {
        self.entry.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('-')).unwrap_or(&self.entry)
    }

    /// What it says of itself in one line.
    pub fn about(&self) -> Option<&str> {
        let mut lines = self.description.lines();
        lines.find(|line| *line == "%DESC%")?;
        lines.next()
    }
}

/// Port for package repositories.
#[async_trait]
pub trait Packages: Send + Sync {
    /// Whose a repository is.
    async fn repository_owner(&self, repo: &str) -> Result<Option<UserId>, StoreError>;
    /// Publishes a package to its architecture; one for `any` to all that the repository has and the default one. A new
    /// architecture gets what is there for `any`. Answers the architectures, sorted. [`StoreError::Refused`] if the
    /// repository is somebody else's, [`StoreError::Full`] if it would become too large.
    async fn publish(&self, new: NewPackage) -> Result<Vec<String>, StoreError>;
    /// A database; an empty one if nothing was published there and a target names the repository.
    async fn repo_database(&self, repo: &str, arch: &str) -> Result<Option<DatabaseRow>, StoreError>;
    /// The parts of a database by the packages' names, all of one moment, one behind the other.
    async fn database_parts(
        &self,
        repo: i64,
        arch: &str,
        with_files: bool,
    ) -> Result<(DatabaseRow, Vec<u8>), StoreError>;
    /// A package's file, also one that was replaced not long ago, and when it was published.
    async fn package_file(
        &self,
        repo: &str,
        arch: &str,
        file: &str,
    ) -> Result<Option<(BlobRef, i64)>, StoreError>;
    /// The text `desc` of an entry.
    async fn package_description(
        &self,
        repo: &str,
        arch: &str,
        entry: &str,
    ) -> Result<Option<EntryText>, StoreError>;
    /// Removes a package, an architecture, or a repository; false if there is no such thing.
    async fn unpublish(
        &self,
        repo: &str,
        arch: Option<&str>,
        package: Option<&str>,
    ) -> Result<bool, StoreError>;
    /// Repositories behind a name, by name, that something was published to; `with_empty` also those that a target
    /// names.
    async fn repositories(
        &self,
        after: &str,
        with_empty: bool,
        limit: u32,
    ) -> Result<Vec<Repository>, StoreError>;
    /// The repository of that name, if the list above could hold it.
    async fn repository(&self, name: &str, with_empty: bool) -> Result<Option<Repository>, StoreError>;
    /// How many packages a repository has for each architecture.
    async fn package_counts(&self, repo: i64) -> Result<HashMap<String, u64>, StoreError>;
    /// Packages behind a name, by name.
    async fn packages(
        &self,
        repo: i64,
        arch: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<PackageRow>, StoreError>;
    /// Forgets replaced files whose time is over, at most `limit`; says how many.
    async fn forget_replaced(&self, limit: u32) -> Result<u64, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_says_its_version_and_what_it_is() {
        let mut package = PackageRow {
            name: "a-b".into(),
            entry: "a-b-1:2.0-3".into(),
            arch: "any".into(),
            file: String::new(),
            size: 0,
            description: "%FILENAME%\nx\n\n%DESC%\nsays it\n\n%ARCH%\nany\n\n".into(),
            published: 0,
        };
        assert_eq!((package.version(), package.about()), ("1:2.0-3", Some("says it")));
        package.description = "%FILENAME%\nx\n\n".into();
        assert_eq!(package.about(), None);
    }
}
