//! The door of Vieter: targets and builds for its agents, their logs, and package repositories for `pacman`.
//!
//! `table` lists the addresses, `door` says which are ours and what answers; there is one module for each noun behind it.
//! All inputs but logs and packages stand in the query.

mod answer;
mod asked;
mod counters;
mod door;
mod incoming;
mod jobs;
mod logs;
mod repos;
mod table;
mod targets;

pub use answer::render;
pub use door::{Vieter, beside, is_of_repository, owns, routes};
