//! Packages of Arch Linux and its relatives: targets that are built by schedule, the agents that build them, and the
//! repositories that the packages go to.
//!
//! Builds are ordinary jobs of kind `vieter` with one work each. Agents that poll are one runner for each architecture;
//! what they hold is leased underneath, and a log that is uploaded ends the lease. Where none comes, our own runners build.

mod builds;
mod cron;
mod databases;
mod logs;
mod native;
pub mod package;
mod pools;
mod recipe;
mod repos;
mod seats;
mod shown;
mod targets;
mod words;

pub use builds::{AGENT, BuildConfig, next_build};
pub use cron::{Cron, CronError, LENGTH_MAX as SCHEDULE_MAX};
pub(crate) use databases::Databases;
pub use logs::Uploaded;
pub use repos::{Arrival, Published, RepoBytes, RepoFile};
pub(crate) use seats::Seats;
pub use targets::{TargetChange, TargetWish};
pub use words::{ARCH_MAX, is_repository_name};

use std::collections::BTreeSet;
use std::time::Duration;

/// Items of one part of a list, whatever was asked for.
pub const LIST_MAX: u32 = 10_000;

/// What an administrator decides about packages.
#[derive(Clone, Debug)]
pub struct ArchSettings {
    /// Architecture of targets without one, and one that packages for `any` always go to.
    pub default_arch: String,
    /// Schedule of targets without one.
    pub schedule: Cron,
    /// Image that builds run in.
    pub base_image: String,
    /// Time that a build is given.
    pub build_timeout: Duration,
    /// How long agents alone may take a build that is due.
    pub agent_grace: Duration,
    /// How often a build is handed out when no log comes back.
    pub max_handouts: u32,
    /// How long the file of a package that was replaced can still be read.
    pub keep_replaced: Duration,
    /// How long logs are listed; none: for ever.
    pub keep_logs: Option<Duration>,
    /// When older ones are removed.
    pub log_removal: Cron,
    /// Whether anybody may read what is counted about requests.
    pub metrics: bool,
    /// What a package's archive may hold.
    pub packages: package::PackageLimits,
    /// Whether agents of administrators build everybody's targets, so that everybody can read their keys.
    pub shared_agents: bool,
    /// Architectures that targets of one account are built for.
    pub archs_per_user: u32,
    /// Packages that are read at the same time; half of them of one account.
    pub reads_at_once: usize,
    /// Architectures of one repository.
    pub archs_per_repo: u32,
    /// Bytes of one database of a repository, with its lists of files.
    pub database: u64,
    /// Words that cannot name a repository, because they begin other addresses.
    pub reserved: BTreeSet<String>,
}

impl Default for ArchSettings {
    fn default() -> Self {
        ArchSettings {
            default_arch: "x86_64".into(),
            schedule: Cron::default(),
            base_image: "archlinux:base-devel".into(),
            build_timeout: Duration::from_secs(3600),
            agent_grace: Duration::from_secs(60),
            max_handouts: 2,
            keep_replaced: Duration::from_secs(24 * 3600),
            keep_logs: None,
            log_removal: Cron::parse("0 0").unwrap_or_default(),
            metrics: false,
            packages: package::PackageLimits::default(),
            shared_agents: false,
            archs_per_user: 64,
            reads_at_once: 4,
            archs_per_repo: 32,
            database: 128 << 20,
            reserved: BTreeSet::new(),
        }
    }
}
