//! Nix: evaluations of jobsets, and builds of derivations in Nix's own sandbox.

pub mod derivation;
pub mod files;
pub mod messages;
pub mod outcome;
pub mod realised;
pub mod roots;
mod settings;
pub mod sizes;
pub mod support;
mod tools;

pub use settings::{Settings, Store};
pub use tools::{Tools, ToolsError, programs};
