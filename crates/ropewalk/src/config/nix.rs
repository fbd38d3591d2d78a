//! `[nix]`: evaluations of jobsets.

use ropewalk_core::nix::NixSettings;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Nix {
    pub(crate) local_inputs: Vec<PathBuf>,
    pub(crate) push_requires_login: bool,
}

impl Nix {
    pub(crate) fn settings(&self) -> NixSettings {
        NixSettings { push_requires_login: self.push_requires_login, local_inputs: self.local_inputs.clone() }
    }
}
