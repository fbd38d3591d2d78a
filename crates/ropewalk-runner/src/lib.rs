//! Execution of plans on one machine.

pub mod agent;
pub mod sandbox;
pub mod spool;
