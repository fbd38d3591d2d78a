//! Nix: evaluations of jobsets, and builds of derivations in Nix's own sandbox.

mod cell;
pub mod derivation;
mod evaluate;
pub mod files;
mod graph;
mod input;
pub mod labels;
pub mod messages;
pub mod outcome;
mod overseer;
mod quote;
pub mod realised;
pub mod roots;
mod run;
mod settings;
pub mod sizes;
pub mod support;
mod tools;
mod walk;

pub use settings::{Settings, Store};
pub use tools::{Tools, ToolsError, programs};

pub(crate) use evaluate::{Machine, evaluate};
pub(crate) use graph::read_drv;
pub(crate) use overseer::Overseer;
