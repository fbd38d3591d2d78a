//! Nix: projects of jobsets, which are evaluated again and again to find what is to be built.

mod jobsets;
mod projects;
mod words;

pub use jobsets::{JobsetWish, Push, Pushed};
pub use projects::{ProjectSaved, ProjectWish};
pub use words::{is_local, path_of_local};

use std::path::PathBuf;

/// Items of a list that has no parts.
pub const LIST_MAX: u32 = 10_000;
/// The jobset of a project whose jobsets come from a file.
pub const DECLARED: &str = ".jobsets";

/// What an administrator decides about evaluations.
#[derive(Clone, Debug)]
pub struct NixSettings {
    /// Nobody starts an evaluation without an account.
    pub push_requires_login: bool,
    /// Folders of the runner's machine that jobsets of everybody may read.
    pub local_inputs: Vec<PathBuf>,
    /// Seconds without output after which a build ends, unless its job says otherwise.
    pub max_silent: u64,
    /// Seconds that a build may take, unless its job says otherwise.
    pub timeout: u64,
    /// Bytes that all outputs of a build may have; none means no limit.
    pub max_output: Option<u64>,
}

impl Default for NixSettings {
    /// Hydra's times.
    fn default() -> Self {
        NixSettings {
            push_requires_login: false,
            local_inputs: vec![],
            max_silent: 7200,
            timeout: 36_000,
            max_output: None,
        }
    }
}
