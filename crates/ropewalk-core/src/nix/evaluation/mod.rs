//! Evaluations: what is due is run, what ended is taken over.

mod decide;
mod inputs;
mod start;
mod take;
mod works;

pub use decide::{Decision, ERRORS_MAX, Known, Member, decide, identity};
