//! Problems after which reading cannot go on, and what to do about them.

use super::super::limits::ManifestLimits;
use super::super::problem::Place;
use serde_saphyr::granit_parser::{ErrorKind, Marker, ScanError, Tag};

/// A problem after which reading cannot go on.
pub(super) struct Stop {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Stop {
    pub(super) fn new(place: Place, message: impl Into<String>, hint: impl Into<String>) -> Stop {
        Stop { place, message: message.into(), hint: hint.into() }
    }
}

pub(super) fn unknown_tag(tag: &Tag, at: Place) -> Stop {
    Stop::new(at, format!("the tag `{}` means nothing in a manifest here", tag.original()), "remove it")
}

pub(super) fn too_deep(at: Place, limits: &ManifestLimits) -> Stop {
    Stop::new(
        at,
        format!("more than {} collections within each other", limits.depth),
        "a manifest is at most a few levels deep: look for a missing quote or bracket",
    )
}

pub(super) fn scan_error(error: &ScanError, limits: &ManifestLimits) -> Stop {
    let at = place(*error.marker());
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(at, limits);
    }
    Stop::new(at, format!("this is not YAML: {}", error.kind()), syntax_hint(error.kind()))
}

fn syntax_hint(kind: &ErrorKind) -> &'static str {
    use ErrorKind as E;
    match kind {
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabAtBlockScalarStart
        | E::TabInPlainScalar
        | E::InvalidBlockEntryWhitespace
        | E::InvalidMappingValueWhitespace => "use spaces here, YAML allows no tabs",
        E::UnclosedQuotedScalar
        | E::InvalidTrailingSingleQuotedScalar
        | E::InvalidTrailingDoubleQuotedScalar => "close the quote, or quote the whole value",
        E::UnknownQuotedScalarEscape => "write the backslash twice, or use single quotes",
        E::MismatchedFlowCollectionEnd { .. }
        | E::MisplacedFlowCollectionEnd
        | E::UnclosedFlowCollection { .. }
        | E::UnexpectedEofFlowSequence
        | E::UnexpectedEofFlowMapping
        | E::ExpectedFlowMappingSeparator
        | E::ExpectedFlowSequenceSeparator => {
            "close the bracket, or quote a value that begins with `[` or `{`"
        }
        E::UnknownAnchor => "define it earlier with `&NAME`, or quote a value that begins with `*`",
        E::UnexpectedCharacter { .. } => "quote a value that begins with `@`, `%` or a backquote",
        E::MappingValueNotAllowed | E::InvalidColonPlacement => {
            "quote a value that contains `: `, and check the indentation"
        }
        E::SimpleKeyExpected | E::InvalidSimpleKey => {
            "write `key: value`, and indent the lines of a script below `name: |`"
        }
        E::UndeclaredTagHandle => "quote a value that begins with `!`",
        _ => "check indentation, dashes and quotes around this line",
    }
}

pub(super) fn place(mark: Marker) -> Place {
    Place { line: mark.line().max(1), column: mark.col() + 1 }
}
