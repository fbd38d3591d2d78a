//! The manifest's YAML as a tree whose every node knows its place in the text.
//!
//! The events come from the YAML library; this adds what the manifest's rules need and a decoder into types would
//! lose: how a scalar was written, several problems at once, and a place for each. Duplicate keys are refused,
//! merge keys are merged, aliases are copied within the limits.

mod build;
mod stop;

use super::limits::ManifestLimits;
use super::problem::{Place, Problems};
use super::scalar::Scalar;
use stop::Stop;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value. Keys are texts; each occurs once in a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) value: Node,
    /// The key is a plain `<<`.
    merge: bool,
}

impl Node {
    /// What to call it in an error.
    pub(super) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.name(),
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.kind == Kind::Scalar(Scalar::Null)
    }
}

/// Reads the one document of `text`. None when it is not YAML or passes a limit, which is then among the problems;
/// a tree may come with problems too (duplicate keys).
pub(super) fn read(text: &str, limits: &ManifestLimits, problems: &mut Problems) -> Option<Node> {
    match build::Builder::new(text, limits, problems).document() {
        Ok(root) => Some(root),
        Err(Stop { place, message, hint }) => {
            problems.error(place, message, hint);
            None
        }
    }
}
