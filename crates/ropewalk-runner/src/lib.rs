//! Execution of plans on one machine.

pub mod agent;
mod backend;
pub mod image;
pub mod inside;
pub mod nix;
pub mod sandbox;
pub mod spool;
pub mod supervisor;
mod tree;
