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
#[derive(Clone, Debug, Default)]
pub struct NixSettings {
    /// Nobody starts an evaluation without an account.
    pub push_requires_login: bool,
    /// Folders of the runner's machine that jobsets of everybody may read.
    pub local_inputs: Vec<PathBuf>,
}
