//! Nix: evaluations of jobsets, and builds of derivations in Nix's own sandbox.

mod settings;
mod tools;

pub use settings::{Settings, Store};
pub use tools::{Tools, ToolsError, programs};
