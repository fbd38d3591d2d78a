//! Repositories: packages are published to them, `pacman` reads them.

use super::package::{self, Package, PackageError, entries};
use super::seats::Waiting;
use super::words;
use crate::access::{self, Caller};
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::port::{BlobRef, NewPackage, RepoLimits, StoreError};
use ropewalk_model::grant::Mode;
use std::io::Read;
use std::sync::Arc;

/// The time of a database that nothing was ever published to, in seconds since 1970. pacman gives its copy the time that
/// it is told, so it must be told one; any publish has another.
const BEFORE_ALL: i64 = 1;

/// A package as it arrived.
pub struct Arrival {
    /// Where its bytes are.
    pub path: std::path::PathBuf,
    /// The same bytes, from their beginning.
    pub content: Box<dyn Read + Send>,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What became of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "pacman's names")]
pub struct Published {
    pub name: String,
    /// With epoch and release.
    pub version: String,
    /// Architectures whose databases have it now.
    pub archs: Vec<String>,
}

/// Something in a repository that can be read.
#[derive(Clone, Debug)]
pub struct RepoFile {
    /// Seconds since 1970; a database's grow with every change.
    pub modified: i64,
    /// Changes when the bytes do.
    pub tag: String,
    /// Its bytes.
    pub content: RepoBytes,
}

/// Where bytes of a repository are.
#[derive(Clone, Debug)]
pub enum RepoBytes {
    /// In memory.
    Here(Arc<Vec<u8>>),
    /// Stored.
    Blob(BlobRef),
}

impl RepoBytes {
    /// How many.
    pub fn size(&self) -> u64 {
        match self {
            RepoBytes::Here(bytes) => bytes.len() as u64,
            RepoBytes::Blob(blob) => blob.size,
        }
    }
}

impl Farm {
    /// Passes uploads that [`Farm::publish`] may take, before their bytes are received.
    pub async fn check_publish(&self, by: &Caller, repo: &str) -> Result<(), Error> {
        access::publishes(by)?;
        access::owner(by)?;
        let is_key = access::is_key_of_build(by);
        if is_key {
            self.check_key(by, repo).await?;
        }
        words::repository(repo, &self.settings.arch)?;
        match self.store.repository_owner(repo).await? {
            Some(owner) if is_key => access::publish(by, owner),
            Some(owner) if access::is_key_of_agent(by) => self.check_agent(by, owner).await,
            None if access::is_key_of_agent(by) => Err(Error::new(
                Kind::Forbidden,
                "an agent's key publishes into repositories that are there: make one with a target, or with REPOS:RW",
            )),
            Some(owner) => access::change_packages(by, owner),
            None => Ok(()),
        }
    }

    /// Puts a package into a repository, whatever version was there before. All of its databases change at once.
    pub async fn publish(&self, by: &Caller, repo: &str, arrival: Arrival) -> Result<Published, Error> {
        self.check_publish(by, repo).await?;
        let owner = access::owner(by)?.id;
        let limits = self.settings.arch.packages;
        let Arrival { path, content } = arrival;
        let seat = self.seats.take(owner).await?;
        let waiting = Waiting::default();
        let given_up = waiting.given_up();
        // The seat is the reader's: it is not free before that one has stopped.
        let read = move || (package::read(content, &limits, &given_up), seat);
        let (package, seat) = tokio::task::spawn_blocking(read).await.map_err(Error::internal)?;
        let package = package.map_err(refused)?;
        let blob = self.blobs.put_file(&path).await?;
        drop(seat);
        let new = self.new_package(repo, owner, access::administers_packages(by), &package, blob)?;
        let archs = self.store.publish(new).await.map_err(taken)?;
        let Package { info, .. } = package;
        Ok(Published { name: info.name, version: info.version, archs })
    }

    fn new_package(
        &self,
        repo: &str,
        owner: ropewalk_model::ids::UserId,
        any_repo: bool,
        package: &Package,
        blob: BlobRef,
    ) -> Result<NewPackage, Error> {
        let settings = &self.settings.arch;
        let parts = entries(package, blob.size, &blob.sha256).map_err(Error::internal)?;
        Ok(NewPackage {
            repo: repo.into(),
            owner,
            any_repo,
            default_arch: settings.default_arch.clone(),
            name: package.info.name.clone(),
            entry: package.entry_name(),
            arch: package.info.arch.clone(),
            file: package.file_name(),
            blob,
            description: parts.description,
            in_db: parts.in_db,
            in_files: parts.in_files,
            keep_replaced: settings.keep_replaced,
            limits: RepoLimits { archs: settings.archs_per_repo, bytes: settings.database },
        })
    }

    /// What `GET /REPO/ARCH/FILE` is: a database, a package's file, or the text `desc` of an entry.
    pub async fn repo_file(&self, repo: &str, arch: &str, file: &str) -> Result<RepoFile, Error> {
        let missing = || Error::missing(format_args!("file {repo}/{arch}/{file}"));
        if !super::is_repository_name(repo) || words::arch(arch).is_err() || words::file(file).is_err() {
            return Err(missing());
        }
        if let Some(with_files) = database_called(repo, file) {
            let row = self.store.repo_database(repo, arch).await?.ok_or_else(missing)?;
            let (row, bytes) = self.database_bytes(row, arch, with_files).await?;
            let tag = format!("{}-{}-{}", row.repo, row.revision, u8::from(with_files));
            let modified = row.modified.max(BEFORE_ALL);
            return Ok(RepoFile { modified, tag, content: RepoBytes::Here(bytes) });
        }
        if file.contains(".pkg")
            && let Some((blob, modified)) = self.store.package_file(repo, arch, file).await?
        {
            let tag = blob.sha256.clone();
            return Ok(RepoFile { modified, tag, content: RepoBytes::Blob(blob) });
        }
        // The name of a package may hold `.pkg` as well.
        let found = self.store.package_description(repo, arch, file).await?.ok_or_else(missing)?;
        let (tag, modified) = (format!("desc-{}", found.sha256), found.published);
        let content = RepoBytes::Here(Arc::new(found.text.into_bytes()));
        Ok(RepoFile { modified, tag, content })
    }

    /// Bytes of something in a repository, fewer at its end.
    pub async fn read_repo_file(
        &self,
        bytes: &RepoBytes,
        from: u64,
        length: usize,
    ) -> Result<Vec<u8>, Error> {
        match bytes {
            RepoBytes::Here(bytes) => {
                let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(length).min(bytes.len());
                Ok(bytes.get(from..to).unwrap_or_default().to_vec())
            }
            RepoBytes::Blob(blob) => Ok(self.blobs.read(blob, from, length).await?),
        }
    }

    /// Removes a package from a repository's architecture, the architecture, or all of the repository.
    pub async fn unpublish(
        &self,
        by: &Caller,
        repo: &str,
        arch: Option<&str>,
        package: Option<&str>,
    ) -> Result<(), Error> {
        access::packages(by, Mode::Rw)?;
        let missing =
            || Error::missing(format_args!("package, architecture or repository of that name in {repo}"));
        let owner = self.store.repository_owner(repo).await?.ok_or_else(missing)?;
        access::change_packages(by, owner)?;
        match self.store.unpublish(repo, arch, package).await? {
            true => Ok(()),
            false => Err(missing()),
        }
    }
}

/// Whether a file is the database of its repository: with lists of files, or without.
fn database_called(repo: &str, file: &str) -> Option<bool> {
    match file.strip_prefix(repo)? {
        ".db" | ".db.tar.gz" => Some(false),
        ".files" | ".files.tar.gz" => Some(true),
        _ => None,
    }
}

fn refused(error: PackageError) -> Error {
    let kind = if matches!(error, PackageError::TooLarge(_)) { Kind::TooLarge } else { Kind::Malformed };
    Error::new(kind, error.to_string())
}

/// A repository of somebody else is forbidden ground.
pub(super) fn taken(error: StoreError) -> Error {
    match error {
        StoreError::Refused(why) => Error::new(Kind::Forbidden, why),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_repositorys_own_name_is_its_database() {
        assert_eq!(database_called("r", "r.db"), Some(false));
        assert_eq!(database_called("r", "r.files.tar.gz"), Some(true));
        for other in ["other.db", "r.db.sig", "r", "rr.db", "r.db.tar.xz", ""] {
            assert_eq!(database_called("r", other), None, "{other}");
        }
    }
}
