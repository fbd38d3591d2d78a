//! Names of images.

use super::ImageError;
use ropewalk_model::manifest::is_image_name;
use std::fmt;

/// A legal image name: parts of `a-z 0-9 . _ -` that start with a letter or digit, joined by `/`,
/// and optionally `:TAG` (`A-Z` too), at most 128 bytes. `debian/stable`, `archlinux`, `rust:1.95`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName(String);

impl ImageName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`ImageError::Name`].
    pub fn parse(name: &str) -> Result<ImageName, ImageError> {
        if is_image_name(name) {
            Ok(ImageName(name.to_owned()))
        } else {
            Err(ImageError::Name(name.to_owned()))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// File name for it: `/` and `:` as `%2F` and `%3A`, which no name contains.
    pub(super) fn file(&self) -> String {
        format!("{}.json", self.0.replace('/', "%2F").replace(':', "%3A"))
    }

    /// The name that [`ImageName::file`] made a file name of.
    pub(super) fn from_file(file: &str) -> Option<ImageName> {
        let name = file.strip_suffix(".json")?.replace("%2F", "/").replace("%3A", ":");
        ImageName::parse(&name).ok()
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn legal_names_are_taken_and_others_refused() {
        for name in ["host", "debian/stable", "rust:1.95", "a/b/c-d_e.f", "x:Tag"] {
            assert_eq!(ImageName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "/", "a/", "/a", "..", "a/../b", "A", ".x", "a b", "a%2Fb", "a:", "a:b:c", "a\0"] {
            assert!(ImageName::parse(name).is_err(), "{name:?}");
        }
        assert!(ImageName::parse(&"a".repeat(129)).is_err());
    }

    proptest! {
        #[test]
        fn a_name_survives_its_file_name(name in "[a-z0-9][a-z0-9._-]{0,20}(/[a-z0-9][a-z0-9._-]{0,9}){0,3}(:[A-Za-z0-9][A-Za-z0-9._-]{0,9})?") {
            let name = ImageName::parse(&name).unwrap();
            prop_assert!(!name.file().contains('/'));
            prop_assert_eq!(ImageName::from_file(&name.file()), Some(name));
        }
    }
}
