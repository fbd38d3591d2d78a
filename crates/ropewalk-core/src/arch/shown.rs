//! What people are shown of repositories, and of how targets fare.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{PackageRow, Repository, TargetBuild, TargetRuns};
use ropewalk_model::grant::Mode;
use std::collections::HashMap;

/// Items of one part of these lists.
const SHOWN_MAX: u32 = 500;

impl Farm {
    /// Repositories by name, behind one; empty: from the first on. Packages are public, and so are repositories that
    /// have some; those that only a target names are shown to whoever may look at targets.
    pub async fn repositories(&self, by: &Caller, after: &str, limit: u32) -> Result<Vec<Repository>, Error> {
        if !after.is_empty() && !super::is_repository_name(after) {
            return Ok(vec![]);
        }
        let with_empty = access::packages(by, Mode::Ro).is_ok();
        Ok(self.store.repositories(after, with_empty, limit.min(SHOWN_MAX)).await?)
    }

    /// A repository.
    pub async fn repository(&self, by: &Caller, name: &str) -> Result<Repository, Error> {
        let with_empty = access::packages(by, Mode::Ro).is_ok();
        let found = match super::is_repository_name(name) {
            true => self.store.repository(name, with_empty).await?,
            false => None,
        };
        let shown: String = name.chars().take(64).collect();
        found.ok_or_else(|| Error::missing(format_args!("repository {shown:?}")))
    }

    /// How many packages a repository has for each architecture.
    pub async fn package_counts(&self, repository: &Repository) -> Result<HashMap<String, u64>, Error> {
        Ok(self.store.package_counts(repository.id).await?)
    }

    /// Packages of a repository's architecture by name, behind one; empty: from the first on.
    pub async fn packages(
        &self,
        repository: &Repository,
        arch: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<PackageRow>, Error> {
        // No package is called so, and not every database could look for it.
        if after.contains('\0') {
            return Ok(vec![]);
        }
        Ok(self.store.packages(repository.id, arch, after, limit.min(SHOWN_MAX)).await?)
    }

    /// Schedules and newest builds of targets, by their numbers.
    pub async fn target_runs(&self, by: &Caller, targets: &[i64]) -> Result<HashMap<i64, TargetRuns>, Error> {
        access::packages(by, Mode::Ro)?;
        Ok(self.store.target_runs(targets).await?)
    }

    /// Builds of a target below a number, newest first.
    pub async fn target_builds(
        &self,
        by: &Caller,
        target: i64,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<TargetBuild>, Error> {
        access::packages(by, Mode::Ro)?;
        Ok(self.store.target_builds(target, before, limit.min(SHOWN_MAX)).await?)
    }
}
