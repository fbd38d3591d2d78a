//! Masking of secrets in what a build prints, before a byte of it reaches the spool.
//!
//! This guards against accidents (a traced command, a printed environment), not against the author of
//! a manifest, who can encode a secret in ways that nobody foresees.

mod forms;
mod stream;

pub use stream::{Patterns, Redactor};

/// What stands in the place of a secret.
pub const MASK: &[u8] = b"***";
