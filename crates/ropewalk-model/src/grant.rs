//! Grants: what the holder of a token may do.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strum::{Display, EnumIter, EnumString};

/// A thing that a grant is about. Words of builds.sr.ht, and ours for the other doors.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumIter,
    EnumString,
)]
#[strum(serialize_all = "UPPERCASE")]
#[serde(rename_all = "UPPERCASE")]
pub enum Scope {
    /// Who the user is.
    Profile,
    /// Jobs and groups.
    Jobs,
    /// Logs of jobs.
    Logs,
    /// Secrets.
    Secrets,
    /// Hydra projects.
    Projects,
    /// Package repositories.
    Repos,
    /// Publishing into one repository, while the package build that holds the token runs.
    Publish,
    /// Building packages as an agent does: fetching builds, keeping their logs, publishing what they made.
    Agent,
    /// Taking works as a runner.
    Runner,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Look.
    Ro,
    /// Look and change.
    Rw,
}

/// A set of grants. The empty set written by a user means all; it is [`Grants::all`] here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grants {
    /// Whatever the user may do.
    All,
    /// These only.
    Some(BTreeMap<Scope, Mode>),
}

/// A grant string that cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{word}\" is no grant: write SCOPE, SCOPE:RO or SCOPE:RW with a scope of PROFILE JOBS LOGS SECRETS PROJECTS REPOS PUBLISH AGENT RUNNER, words divided by spaces"
)]
pub struct GrantError {
    /// The word that was not understood.
    pub word: String,
}

const SERVICE: &str = "builds.sr.ht/";
/// Prefix of grants for other sr.ht services: well formed, and nothing to us.
const FOREIGN: &str = ".sr.ht/";

impl Grants {
    /// Reads `builds.sr.ht/JOBS:RW LOGS`. RO is the default; the empty text grants all.
    /// Grants for other sr.ht services (`git.sr.ht/…`) grant nothing here.
    pub fn parse(text: &str) -> Result<Grants, GrantError> {
        let mut some = BTreeMap::new();
        for word in text.split_ascii_whitespace() {
            let bad = || GrantError { word: word.into() };
            let own = word.strip_prefix(SERVICE);
            if own.is_none() && word.contains(FOREIGN) {
                continue;
            }
            let (scope, mode) = match own.unwrap_or(word).split_once(':') {
                None => (own.unwrap_or(word), Mode::Ro),
                Some((scope, "RO")) => (scope, Mode::Ro),
                Some((scope, "RW")) => (scope, Mode::Rw),
                Some(_) => return Err(bad()),
            };
            let scope = scope.parse().map_err(|_| bad())?;
            let held = some.entry(scope).or_insert(mode);
            *held = mode.max(*held);
        }
        Ok(if text.trim().is_empty() { Grants::All } else { Grants::Some(some) })
    }

    /// Whether these grants contain the one asked for. RW contains RO.
    pub fn allow(&self, scope: Scope, mode: Mode) -> bool {
        match self {
            Grants::All => true,
            Grants::Some(some) => some.get(&scope).is_some_and(|held| *held >= mode),
        }
    }

    /// Whether all of `other` is contained in these.
    pub fn contain(&self, other: &Grants) -> bool {
        match other {
            Grants::All => *self == Grants::All,
            Grants::Some(some) => some.iter().all(|(scope, mode)| self.allow(*scope, *mode)),
        }
    }
}

impl std::fmt::Display for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Grants::Some(some) = self else { return Ok(()) };
        for (at, (scope, mode)) in some.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(f, "{space}{scope}:{}", if *mode == Mode::Rw { "RW" } else { "RO" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_with_and_without_service() {
        let grants = Grants::parse("builds.sr.ht/JOBS:RW LOGS git.sr.ht/REPOSITORIES:RW").unwrap();
        assert!(grants.allow(Scope::Jobs, Mode::Ro) && grants.allow(Scope::Jobs, Mode::Rw));
        assert!(grants.allow(Scope::Logs, Mode::Ro) && !grants.allow(Scope::Logs, Mode::Rw));
        assert!(!grants.allow(Scope::Secrets, Mode::Ro));
        assert_eq!(grants.to_string(), "JOBS:RW LOGS:RO");
    }

    #[test]
    fn only_the_empty_text_grants_all() {
        assert_eq!(Grants::parse("  "), Ok(Grants::All));
        assert!(!Grants::parse("git.sr.ht/REPOSITORIES").unwrap().allow(Scope::Jobs, Mode::Ro));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in ["JOB", "JOBS:WR", "jobs", "JOBS:", "builds.sr.ht/", ":RW"] {
            assert!(Grants::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn contains_what_is_weaker() {
        let some = Grants::parse("JOBS:RW").unwrap();
        assert!(Grants::All.contain(&some) && !some.contain(&Grants::All));
        assert!(some.contain(&Grants::parse("JOBS").unwrap()));
    }
}
