//! The door of Hydra: projects, jobsets, evaluations and builds for its clients.
//!
//! `door` says which address is whose; there is one module for each noun behind it. `fields` reads what was sent,
//! `view` shows what there is.

mod answer;
mod builds;
mod door;
mod downloads;
mod evaluations;
mod fields;
mod jobs;
mod jobsets;
mod lists;
mod logs;
mod origin;
mod parts;
mod projects;
mod push;
mod search;
mod session;
mod view;

pub use answer::render;
pub use door::{Hydra, answers, door, routes};
