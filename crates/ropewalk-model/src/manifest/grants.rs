//! The grant string of `oauth`.

use crate::grant::{Grants, Scope};
use std::collections::BTreeSet;
use strum::IntoEnumIterator;

/// Checks `service/SCOPE[:RO|RW]` words. Services that are not ours are checked for their form only.
/// The error is a message and a hint.
pub(super) fn check(text: &str) -> Result<(), (String, String)> {
    for word in text.split_ascii_whitespace() {
        if !is_well_formed(word) {
            return Err((
                format!("`{word}` is no grant"),
                "write SERVICE/SCOPE, with :RO or :RW after it: builds.sr.ht/JOBS:RW".into(),
            ));
        }
    }
    Grants::parse(text).map(drop).map_err(|error| {
        let scopes: Vec<String> = Scope::iter().map(|scope| scope.to_string()).collect();
        (format!("`{}` is no grant of this server", error.word), format!("scopes are {}", scopes.join(", ")))
    })
}

/// Services of other programs in the grant string: what they stand for is not to be had here.
pub(super) fn foreign(text: &str) -> BTreeSet<&str> {
    text.split_ascii_whitespace()
        .filter_map(|word| word.split_once('/'))
        .map(|(service, _)| service)
        .filter(|service| *service != "builds.sr.ht")
        .collect()
}

fn is_well_formed(word: &str) -> bool {
    let scope = match word.split_once('/') {
        Some(("", _)) => return false,
        Some((_, scope)) => scope,
        None => word,
    };
    let (scope, mode) = scope.split_once(':').unwrap_or((scope, "RO"));
    !scope.is_empty()
        && scope.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        && matches!(mode, "RO" | "RW")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_own_and_foreign_grants() {
        for text in ["builds.sr.ht/JOBS:RW", "git.sr.ht/OBJECTS:RW pages.sr.ht/PAGES", "JOBS LOGS:RO"] {
            assert_eq!(check(text), Ok(()));
        }
        assert_eq!(
            foreign("git.sr.ht/PROFILE builds.sr.ht/JOBS git.sr.ht/OBJECTS:RW"),
            BTreeSet::from(["git.sr.ht"])
        );
    }

    #[test]
    fn refuses_words_of_another_form() {
        for text in
            ["jobs", "builds.sr.ht/JOBS:RX", "git.sr.ht/", "/JOBS", "git.sr.ht/a b", "builds.sr.ht/CATS", "*"]
        {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
