//! Nix: evaluations of jobsets, and builds of derivations in Nix's own sandbox.

mod settings;

pub use settings::{Settings, Store};
