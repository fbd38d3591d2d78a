//! The shell texts that carry a plan out: pure functions of plan and run-time values.
//!
//! Everything that an author wrote is quoted as one word of data, except a task's script, which is the code.

mod buildenv;
mod clone;
mod install;
mod quote;
mod task;

pub use buildenv::buildenv;
pub use clone::clone;
pub use install::{packages, repository, tools};
pub use quote::quote;
pub use task::task;

/// File below home that every task reads first; mode 755.
pub const BUILDENV: &str = ".buildenv";
/// Folder below home with one file for each task, named after it; mode 755.
pub const TASKS: &str = ".tasks";
/// File below home that reads `1` once a task called `complete-build`: the remaining tasks are skipped.
pub const COMPLETE: &str = ".complete-build";
