//! Texts that become names: of architectures, branches and repositories.

use super::{ArchSettings, Cron};
use crate::error::Error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters of an architecture's name.
pub const ARCH_MAX: usize = 64;
/// Characters of a repository's name.
const REPO_MAX: usize = 64;
/// Bytes of a target's text.
const TEXT_MAX: usize = 2048;
/// Architectures of a target.
const ARCHS_MAX: usize = 16;

/// What may stand in a label of a runner.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Whether a text can name a repository: `[a-z0-9][a-z0-9@._+-]{0,63}`.
pub fn is_repository_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= REPO_MAX
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || b"@._+-".contains(&byte))
}

/// Passes names that a repository can have here.
pub(super) fn repository(name: &str, settings: &ArchSettings) -> Result<(), Error> {
    let lower = name.to_ascii_lowercase();
    if settings.reserved.contains(&lower) {
        return Err(Error::malformed(format!(
            "'{lower}' is a reserved keyword & cannot be used as a repository name."
        )));
    }
    if is_repository_name(name) {
        return Ok(());
    }
    Err(Error::malformed(format!(
        "{name:?} cannot name a repository: it takes 1 to {REPO_MAX} characters of a-z, 0-9, @ . _ + and -, and begins with a letter or digit"
    )))
}

/// Passes texts that can name an architecture: also a folder of an address.
pub(super) fn arch(text: &str) -> Result<(), Error> {
    let is_name = !text.is_empty()
        && text.chars().count() <= ARCH_MAX
        && !matches!(text, "." | "..")
        && !text.contains('/')
        && !text.chars().any(char::is_control);
    if is_name { Ok(()) } else { Err(Error::malformed(format!("{text:?} cannot name an architecture"))) }
}

/// Passes names that a file in a repository can have.
pub(super) fn file(name: &str) -> Result<(), Error> {
    let is_name = !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && !name.contains('/');
    if is_name && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::malformed(format!("{name:?} cannot name a file of a repository")))
}

/// Reads a comma list of architectures; none: the server's own one.
pub(super) fn archs(list: &str, settings: &ArchSettings) -> Result<Vec<String>, Error> {
    let mut found: Vec<String> = vec![];
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        arch(word)?;
        if !found.iter().any(|known| known == word) {
            found.push(word.into());
        }
    }
    if found.is_empty() {
        found.push(settings.default_arch.clone());
    }
    if found.len() > ARCHS_MAX {
        return Err(Error::malformed(format!("a target has at most {ARCHS_MAX} architectures")));
    }
    Ok(found)
}

/// The word of an architecture among the labels of runners.
pub(super) fn label(arch: &str) -> String {
    utf8_percent_encode(arch, LABEL).to_string()
}

/// Passes names of branches that stock agents can be given: they paste them into a script.
pub(super) fn branch(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/@+-".contains(&byte);
    if name.len() <= 255 && !name.starts_with('-') && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::malformed(format!("{name:?} cannot be a branch: it takes letters, digits and . _ / @ + -")))
}

/// Passes ordinary texts.
pub(super) fn text(name: &str, text: &str) -> Result<(), Error> {
    if text.len() > TEXT_MAX {
        return Err(Error::malformed(format!("{name} is longer than {TEXT_MAX} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::malformed(format!("{name} holds a control character")));
    }
    Ok(())
}

/// The schedule of a target; the server's own if the text is empty.
pub(super) fn schedule(text: &str, settings: &ArchSettings) -> Result<Cron, Error> {
    if text.is_empty() {
        return Ok(settings.schedule);
    }
    Cron::parse(text).map_err(|error| Error::malformed(format!("Invalid schedule {text:?}: {error}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories_are_plain_words() {
        for good in ["r", "bur", "my-repo", "a@b.c_d+e", &"x".repeat(64), "0ad"] {
            assert!(is_repository_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "A", "a/b", "a b", "é", "~a", &"x".repeat(65)] {
            assert!(!is_repository_name(bad), "{bad}");
        }
    }

    #[test]
    fn reserved_words_are_refused_in_any_case() {
        let settings = ArchSettings { reserved: ["api".to_string()].into(), ..ArchSettings::default() };
        let refused = repository("API", &settings).unwrap_err();
        assert_eq!(refused.message, "'api' is a reserved keyword & cannot be used as a repository name.");
        assert!(repository("apis", &settings).is_ok() && repository("A", &settings).is_err());
    }

    #[test]
    fn an_architecture_leads_nowhere() {
        for good in ["x86_64", "aarch64", "a b", "é"] {
            assert!(arch(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a\nb", &"x".repeat(65)] {
            assert!(arch(bad).is_err(), "{bad}");
        }
        assert_eq!(label("a b,é"), "a%20b%2C%C3%A9");
    }

    #[test]
    fn lists_of_architectures_fall_back_on_the_servers_own() {
        let settings = ArchSettings::default();
        assert_eq!(archs("", &settings).unwrap(), ["x86_64"]);
        assert_eq!(archs("aarch64, x86_64,,aarch64", &settings).unwrap(), ["aarch64", "x86_64"]);
        assert!(archs("a,b/c", &settings).is_err());
    }

    #[test]
    fn a_branch_is_no_command() {
        for good in ["", "main", "feature/x-1", "v1.0+b@c"] {
            assert!(branch(good).is_ok(), "{good}");
        }
        for bad in ["-x", "a b", "a;b", "$(id)", "a'b", "a\nb"] {
            assert!(branch(bad).is_err(), "{bad}");
        }
    }
}
