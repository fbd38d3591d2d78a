//! The door of Vieter: targets and builds for its agents, their logs, and package repositories for `pacman`.
//!
//! `door` says which address is whose; there is one module for each noun behind it. All inputs but logs and packages
//! stand in the query.

mod answer;
mod asked;
mod door;
mod incoming;
mod jobs;
mod logs;
mod repos;
mod targets;

pub use answer::render;
pub use door::{Vieter, beside, is_of_repository, owns};
