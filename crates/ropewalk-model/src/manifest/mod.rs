//! The builds.sr.ht manifest: from text to what was meant, with every problem in its place.
//!
//! [`parse`] is for a server, [`check`] for the one who writes; both decide the same. Quirks and their reasons are in
//! `docs/quirks.md`.

mod fields;
mod grants;
mod image_name;
mod keys;
mod limits;
mod plan;
mod problem;
mod read;
mod scalar;
pub mod script;
mod source;
mod tree;
mod triggers;
mod types;

pub use image_name::{IMAGE_MAX, IMAGE_RULE, is_image_name};
pub use keys::{KEYS, Key, KeyType, markdown};
pub use limits::ManifestLimits;
pub use plan::{PlanOptions, plan};
pub use problem::{ManifestError, Place, Problem};
pub use read::{Places, Report, check, check_with, parse};
pub use source::SourceError;
pub use types::{Action, Condition, Manifest, Trigger, Value};

#[cfg(test)]
mod tests;
