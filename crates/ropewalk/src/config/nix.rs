//! `[nix]`: evaluations of jobsets and builds of derivations.

use ropewalk_core::nix::NixSettings;
use ropewalk_model::nix::EvaluationLimits;
use ropewalk_runner::nix::{Settings, Store, ToolsError, programs};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folder of our own store in the data folder.
pub(crate) const FOLDER: &str = "nix";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Nix {
    pub(crate) attribute_time: u64,
    pub(crate) clones_age: u64,
    pub(crate) clones_disk: u64,
    pub(crate) evaluation_disk: u64,
    pub(crate) evaluation_jobs: usize,
    pub(crate) evaluation_memory: u64,
    pub(crate) evaluation_time: u64,
    pub(crate) failure_memory: u64,
    pub(crate) fetch_time: u64,
    pub(crate) import_from_derivation: bool,
    pub(crate) local_inputs: Vec<PathBuf>,
    pub(crate) looks_kept: u32,
    pub(crate) max_evaluations: u32,
    pub(crate) max_output: u64,
    pub(crate) max_result: u64,
    pub(crate) max_silent: u64,
    pub(crate) max_silent_max: u64,
    pub(crate) program: String,
    pub(crate) push_requires_login: bool,
    pub(crate) roots_grace: u64,
    pub(crate) store: Choice,
    pub(crate) timeout: u64,
    pub(crate) timeout_max: u64,
    pub(crate) unsupported_after: u64,
}

/// Which store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Choice {
    /// One of our own in the data folder.
    #[default]
    #[serde(rename = "")]
    Own,
    /// `/nix/store`.
    #[serde(rename = "system")]
    System,
}

impl Default for Nix {
    fn default() -> Self {
        let settings = NixSettings::default();
        let EvaluationLimits {
            time, attribute_time, memory, jobs, fetch_time, disk, clones, clones_age, ..
        } = settings.evaluation;
        Nix {
            attribute_time,
            clones_age,
            clones_disk: clones,
            evaluation_disk: disk,
            evaluation_jobs: jobs,
            evaluation_memory: memory,
            evaluation_time: time,
            failure_memory: settings.failure_memory.as_secs(),
            fetch_time,
            import_from_derivation: settings.import_from_derivation,
            local_inputs: settings.local_inputs,
            looks_kept: settings.looks_kept,
            max_evaluations: settings.max_evaluations,
            max_output: settings.max_output.unwrap_or(0),
            max_result: settings.max_result,
            max_silent: settings.max_silent,
            max_silent_max: settings.max_silent_max,
            program: String::new(),
            push_requires_login: settings.push_requires_login,
            roots_grace: settings.roots_grace.as_secs(),
            store: Choice::Own,
            timeout: settings.timeout,
            timeout_max: settings.timeout_max,
            unsupported_after: settings.unsupported_after.as_secs(),
        }
    }
}

impl Nix {
    pub(crate) fn settings(&self) -> NixSettings {
        NixSettings {
            push_requires_login: self.push_requires_login,
            local_inputs: self.local_inputs.clone(),
            looks_kept: self.looks_kept,
            max_evaluations: self.max_evaluations,
            evaluation: EvaluationLimits {
                time: self.evaluation_time,
                attribute_time: self.attribute_time,
                memory: self.evaluation_memory,
                jobs: self.evaluation_jobs,
                fetch_time: self.fetch_time,
                disk: self.evaluation_disk,
                clones: self.clones_disk,
                clones_age: self.clones_age,
                ..EvaluationLimits::default()
            },
            import_from_derivation: self.import_from_derivation,
            max_result: self.max_result,
            timeout: self.timeout,
            timeout_max: self.timeout_max,
            max_silent: self.max_silent,
            max_silent_max: self.max_silent_max,
            max_output: Some(self.max_output).filter(|bytes| *bytes > 0),
            failure_memory: Duration::from_secs(self.failure_memory),
            unsupported_after: Duration::from_secs(self.unsupported_after),
            roots_grace: Duration::from_secs(self.roots_grace),
        }
    }

    /// Where the outputs of builds lie, if this machine has Nix.
    pub(crate) fn store_folder(&self, data: &Path) -> anyhow::Result<Option<PathBuf>> {
        // What is wrong with Nix the runner says.
        let Ok(Some(settings)) = self.of_runner(data) else { return Ok(None) };
        Ok(Some(match settings.store {
            Store::System => PathBuf::from("/nix/store"),
            // Named as Nix names it, which refuses links on the way.
            Store::Private(_) => data.canonicalize()?.join(FOLDER).join("store"),
        }))
    }

    /// What the runner is told of Nix. None without it, which is no error unless something is configured.
    pub(crate) fn of_runner(&self, data: &Path) -> Result<Option<Settings>, ToolsError> {
        let programs = match self.program.as_str() {
            "" => match programs() {
                Err(_) if self.store == Choice::Own => return Ok(None),
                found => found?,
            },
            // `nix` itself, or the folder that it lies in with the others.
            program if Path::new(program).is_dir() => PathBuf::from(program),
            program => Path::new(program).parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let store = match self.store {
            Choice::Own => Store::Private(data.join(FOLDER)),
            Choice::System => Store::System,
        };
        Ok(Some(Settings { programs, store, local_inputs: self.local_inputs.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nix_is_looked_for_only_where_it_was_said_to_be() {
        let nix = Nix { program: "/opt/nix/bin/nix".into(), ..Nix::default() };
        let settings = nix.of_runner(Path::new("/d")).unwrap().unwrap();
        assert_eq!(settings.programs, Path::new("/opt/nix/bin"));
        assert_eq!(settings.store, Store::Private("/d/nix".into()));
        let nix = Nix { program: "/usr/bin".into(), store: Choice::System, ..Nix::default() };
        let settings = nix.of_runner(Path::new("/d")).unwrap().unwrap();
        assert_eq!((settings.programs.as_path(), settings.store), (Path::new("/usr/bin"), Store::System));
    }
}
