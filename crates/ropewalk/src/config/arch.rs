//! `[arch]`: package builds and repositories.

use ropewalk_core::arch::package::PackageLimits;
use ropewalk_core::arch::{ArchSettings, Cron};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// First words of addresses that other doors have or will have: no repository can be called so.
const RESERVED: &[&str] = &[
    "api",
    "artifacts",
    "build",
    "cancel",
    "channel",
    "current-user",
    "eval",
    "evals",
    "favicon.ico",
    "graphql",
    "health",
    "healthz",
    "job",
    "job-status",
    "jobset",
    "jobsets",
    "latest",
    "latest-finished",
    "latest-for",
    "login",
    "logout",
    "log",
    "logs",
    "machines",
    "metrics",
    "nar",
    "nix-cache-info",
    "project",
    "projects",
    "prometheus",
    "query",
    "queue",
    "readyz",
    "realisations",
    "resubmit",
    "robots.txt",
    "runner",
    "search",
    "secrets",
    "session",
    "static",
    "status",
    "submit",
];

/// Whether a word begins addresses of other doors.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Arch {
    pub(crate) default_arch: String,
    pub(crate) schedule: Schedule,
    pub(crate) base_image: String,
    pub(crate) build_timeout: u64,
    pub(crate) agent_grace: u64,
    pub(crate) max_handouts: u32,
    pub(crate) keep_replaced: u64,
    pub(crate) max_log_age: u64,
    pub(crate) log_removal_schedule: Schedule,
    pub(crate) collect_metrics: bool,
    pub(crate) unpacked: u64,
    pub(crate) file_list: usize,
    pub(crate) database: u64,
    pub(crate) architectures: u32,
    pub(crate) reads_at_once: usize,
    pub(crate) shared_agents: bool,
    pub(crate) architectures_per_user: u32,
}

impl Default for Arch {
    fn default() -> Self {
        let ArchSettings { default_arch, base_image, max_handouts, .. } = ArchSettings::default();
        let ArchSettings { build_timeout, agent_grace, keep_replaced, packages, .. } =
            ArchSettings::default();
        let ArchSettings { database, archs_per_repo, reads_at_once, archs_per_user, .. } =
            ArchSettings::default();
        Arch {
            default_arch,
            schedule: Schedule("0 3".into()),
            base_image,
            build_timeout: build_timeout.as_secs(),
            agent_grace: agent_grace.as_secs(),
            max_handouts,
            keep_replaced: keep_replaced.as_secs(),
            max_log_age: 0,
            log_removal_schedule: Schedule("0 0".into()),
            collect_metrics: false,
            unpacked: packages.unpacked,
            file_list: packages.paths,
            database,
            architectures: archs_per_repo,
            reads_at_once,
            shared_agents: false,
            architectures_per_user: archs_per_user,
        }
    }
}

impl Arch {
    pub(crate) fn settings(&self) -> ArchSettings {
        ArchSettings {
            default_arch: self.default_arch.clone(),
            // It was read before; the default is the same as the configuration's.
            schedule: Cron::parse(&self.schedule.0).unwrap_or_default(),
            base_image: self.base_image.clone(),
            build_timeout: Duration::from_secs(self.build_timeout),
            agent_grace: Duration::from_secs(self.agent_grace),
            max_handouts: self.max_handouts,
            keep_replaced: Duration::from_secs(self.keep_replaced),
            keep_logs: Some(self.max_log_age).filter(|days| *days > 0).map(days),
            log_removal: Cron::parse(&self.log_removal_schedule.0).unwrap_or_default(),
            metrics: self.collect_metrics,
            packages: PackageLimits {
                unpacked: self.unpacked,
                paths: self.file_list,
                ..PackageLimits::default()
            },
            database: self.database,
            archs_per_repo: self.architectures,
            reads_at_once: self.reads_at_once,
            shared_agents: self.shared_agents,
            archs_per_user: self.architectures_per_user,
            reserved: RESERVED.iter().map(|word| word.to_string()).collect(),
        }
    }
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(24 * 3600))
}

/// The text of a schedule that can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Schedule(String);

impl TryFrom<String> for Schedule {
    type Error = String;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Cron::parse(&text) {
            Ok(_) => Ok(Schedule(text)),
            Err(error) => Err(format!("it is no schedule: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// First words of the routes that stand in sources of a door.
    fn words(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                words(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for mark in [".get(\"/", ".post(\"/", ".any(\"/", ".put(\"/", ".delete(\"/", "path = \"/"] {
                    let routes = text.split(mark).skip(1);
                    found.extend(
                        routes.filter_map(|rest| rest.split(['/', '"', '{']).next().map(String::from)),
                    );
                }
            }
        }
    }

    #[test]
    fn no_repository_hides_an_address_of_another_door() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = vec![];
        for entry in std::fs::read_dir(crates).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("ropewalk-door-") && name != "ropewalk-door-vieter" {
                words(&entry.path().join("src"), &mut found);
            }
        }
        found.retain(|word| ropewalk_core::arch::is_repository_name(word));
        assert!(found.iter().any(|word| word == "query") && found.iter().any(|word| word == "submit"));
        let free: Vec<_> = found.iter().filter(|word| !RESERVED.contains(&word.as_str())).collect();
        assert!(free.is_empty(), "add to RESERVED: {free:?}");
    }
}
