//! The door of builds.sr.ht's legacy REST interface: `/api/jobs…` and `/api/job-group…`.
//!
//! `body` and `fields` read what was sent, `answer` says what is wrong with it, `view` shows what there is.

mod answer;
mod artifacts;
mod body;
mod door;
mod fields;
mod groups;
mod jobs;
mod list;
mod logs;
mod parts;
mod view;

pub use answer::render;
pub use door::{door, owns, routes};
