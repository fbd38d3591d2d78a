//! Execution of plans on one machine.

pub mod agent;
pub mod image;
pub mod inside;
pub mod sandbox;
pub mod spool;
