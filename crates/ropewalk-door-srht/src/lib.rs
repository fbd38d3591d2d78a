//! The door of builds.sr.ht: its GraphQL interface under `/query`, as `hut` and other clients use it.
//!
//! `schema` is what is served, `access` the rules that stand in it, `query` the way from a request to an answer.

mod access;
mod answer;
mod door;
mod enforce;
mod logs;
mod query;
mod schema;
mod unbuilt;

pub use answer::render;
pub use door::{door, owns, routes};
pub use query::{DocumentLimits, Operation, Prepared, Refusal, Upload, read_multipart};
pub use schema::sdl;
pub use unbuilt::{UNBUILT, Unbuilt};
