//! `[nix]`: evaluations of jobsets and builds of derivations.

use ropewalk_core::nix::NixSettings;
use ropewalk_runner::nix::{Settings, Store, ToolsError, programs};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Folder of our own store in the data folder.
const FOLDER: &str = "nix";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Nix {
    pub(crate) local_inputs: Vec<PathBuf>,
    pub(crate) max_output: u64,
    pub(crate) max_silent: u64,
    pub(crate) program: String,
    pub(crate) push_requires_login: bool,
    pub(crate) store: Choice,
    pub(crate) timeout: u64,
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
        let NixSettings { local_inputs, push_requires_login, max_silent, timeout, max_output } =
            NixSettings::default();
        Nix {
            local_inputs,
            max_output: max_output.unwrap_or(0),
            max_silent,
            program: String::new(),
            push_requires_login,
            store: Choice::Own,
            timeout,
        }
    }
}

impl Nix {
    pub(crate) fn settings(&self) -> NixSettings {
        NixSettings {
            push_requires_login: self.push_requires_login,
            local_inputs: self.local_inputs.clone(),
            max_silent: self.max_silent,
            timeout: self.timeout,
            max_output: Some(self.max_output).filter(|bytes| *bytes > 0),
        }
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
