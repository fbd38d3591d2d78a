//! From a request to its answer.

mod asked;
mod document;
mod engine;
mod measure;
mod multipart;
mod nesting;
mod order;
mod refusal;
mod request;
mod turns;
mod variables;

pub(crate) use asked::Asked;
pub use document::{DocumentLimits, Prepared};
pub(crate) use engine::Engine;
pub use multipart::{Upload, read_multipart};
pub use refusal::Refusal;
pub use request::Operation;
pub(crate) use request::read;
