//! What an administrator says about Nix.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How this machine has Nix. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Folder in which `nix`, `nix-store` and `nix-instantiate` lie. Absolute.
    pub programs: PathBuf,
    /// Which store is built in.
    pub store: Store,
    /// Folders of this machine below which inputs of an evaluation may lie.
    #[serde(default)]
    pub local_inputs: Vec<PathBuf>,
}

/// A Nix store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// One of our own: `store`, `var`, `log` and `etc` below this folder, which is absolute and free of links.
    Private(PathBuf),
    /// `/nix/store`: directly as root, by its daemon otherwise.
    System,
}
