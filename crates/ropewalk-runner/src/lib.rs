//! Execution of plans on one machine.

pub mod sandbox;
