//! Where images can be fetched from.

use oci_spec::distribution::Reference;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DOCKER: &str = "docker://";
const BOOTSTRAP: &str = "bootstrap:";
/// Longest name of a suite in bytes.
const MAX_SUITE: usize = 32;

/// What an image is fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// `docker://HOST/NAME[:TAG][@sha256:HEX]`: an image in an OCI registry. Without a host Docker Hub is meant,
    /// without tag and digest the tag `latest`, as everywhere.
    Registry(Reference),
    /// `bootstrap:SUITE`: Debian or Ubuntu from the packages of this machine's own mirror.
    Bootstrap(Suite),
}

/// A suite of a Debian or Ubuntu archive: `bookworm`, `stable`, `sid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Suite(String);

/// A text names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no source of an image: {why}")]
pub struct SourceError {
    text: String,
    why: String,
}

impl Suite {
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Suite {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Suite, SourceError> {
        let legal = text.len() <= MAX_SUITE
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
            && !text.contains("..");
        match legal {
            true => Ok(Suite(text.into())),
            false => Err(SourceError { text: text.into(), why: "a suite is a word such as bookworm".into() }),
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source, SourceError> {
        let wrong = |why: String| SourceError { text: text.into(), why };
        if let Some(suite) = text.strip_prefix(BOOTSTRAP) {
            return Ok(Source::Bootstrap(suite.parse()?));
        }
        let Some(reference) = text.strip_prefix(DOCKER) else {
            return Err(wrong("write docker://HOST/NAME:TAG or bootstrap:SUITE".into()));
        };
        let reference: Reference = reference.parse().map_err(|e| {
            wrong(format!("{e}; write docker://HOST/NAME:TAG or docker://HOST/NAME@sha256:HEX"))
        })?;
        if reference.digest().is_some_and(|digest| hex_of(digest).is_none()) {
            return Err(wrong("its digest must be sha256: and 64 of 0-9 a-f".into()));
        }
        Ok(Source::Registry(reference))
    }
}

/// The hex digits of a `sha256:` digest, if they are 64 in lower case.
pub(super) fn hex_of(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    let sound = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    sound.then_some(hex)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Registry(reference) => write!(f, "{DOCKER}{reference}"),
            Source::Bootstrap(suite) => write!(f, "{BOOTSTRAP}{}", suite.0),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Source, SourceError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

impl TryFrom<String> for Suite {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Suite, SourceError> {
        text.parse()
    }
}

impl From<Suite> for String {
    fn from(suite: Suite) -> String {
        suite.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sources_are_read_in_their_full_form() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (text, full) in [
            ("docker://alpine".to_owned(), "docker://docker.io/library/alpine:latest".to_owned()),
            ("docker://127.0.0.1:5000/a/b:c".to_owned(), "docker://127.0.0.1:5000/a/b:c".to_owned()),
            (format!("docker://h.example/a@{digest}"), format!("docker://h.example/a@{digest}")),
            (format!("docker://h.example/a:t@{digest}"), format!("docker://h.example/a:t@{digest}")),
            ("bootstrap:bookworm".to_owned(), "bootstrap:bookworm".to_owned()),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), full);
            assert_eq!(full.parse::<Source>().unwrap(), source);
        }
    }

    #[test]
    fn what_leads_elsewhere_is_no_source() {
        let short = format!("docker://h.example/a@sha256:{}", "0a".repeat(31));
        let upper = format!("docker://h.example/a@sha256:{}", "0A".repeat(32));
        let other = format!("docker://h.example/a@sha512:{}", "0a".repeat(64));
        for text in [
            "",
            "alpine",
            "docker://",
            "docker://h.example/../../etc/passwd",
            "docker://h.example/a/../b",
            "docker://h.example//a",
            "docker://h.example/A",
            "docker://h.example/a:../b",
            "docker://user:pass@h.example/a",
            "docker://h.example/a?x=y",
            "docker://h.example/a#x",
            "docker://h.example/a b",
            "docker://h.example/a%2e%2e",
            "https://h.example/a",
            "bootstrap:",
            "bootstrap:../x",
            "bootstrap:-x",
            "bootstrap:a/b",
            "bootstrap:a b",
            short.as_str(),
            upper.as_str(),
            other.as_str(),
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_source_survives_its_text(text in "docker://[a-z0-9./:@_-]{1,40}|bootstrap:[a-z0-9.-]{1,40}|\\PC{0,40}") {
            if let Ok(source) = text.parse::<Source>() {
                prop_assert!(!source.to_string().contains(".."));
                prop_assert_eq!(source.to_string().parse::<Source>(), Ok(source));
            }
        }
    }
}
