//! The door of Hydra: projects, jobsets, evaluations and builds for its clients.
//!
//! `door` says which address is whose; there is one module for each noun behind it. `fields` reads what was sent,
//! `view` shows what there is.

mod answer;
mod asked;
mod builds;
mod description;
mod door;
mod downloads;
mod evaluations;
mod fields;
mod jobs;
mod jobsets;
mod latest;
mod lists;
mod logs;
mod members;
mod order;
mod origin;
mod projects;
mod push;
mod search;
mod session;
mod view;

pub use answer::render;
pub use door::{Hydra, answers, door, routes};
