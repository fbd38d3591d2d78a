//! What is wrong with a manifest, and where.

use serde::Serialize;

/// A position in the manifest's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// The first character: the place of whatever is missing altogether.
    pub const START: Place = Place { line: 1, column: 1 };
}

/// One thing that is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What, in builds.sr.ht's wording where it has one.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "line {line}, column {column}: {} ({})", self.message, self.hint)
    }
}

/// A manifest that a server refuses. Holds at least one problem, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ManifestError {
    /// All that is wrong.
    pub problems: Vec<Problem>,
}

impl std::fmt::Display for ManifestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let break_ = if at > 0 { "\n" } else { "" };
            write!(f, "{break_}{problem}")?;
        }
        Ok(())
    }
}

/// Errors and warnings, gathered while a manifest is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

impl Problems {
    pub(super) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(Problem { place, message: message.into(), hint: hint.into() });
    }

    pub(super) fn warn(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Problem { place, message: message.into(), hint: hint.into() });
    }

    pub(super) fn sort(&mut self) {
        self.errors.sort_by_key(|problem| problem.place);
        self.warnings.sort_by_key(|problem| problem.place);
    }
}
