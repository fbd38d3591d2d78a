//! The rule for names of images, the same where one is asked for and where one is made.

/// Longest name in bytes.
pub const IMAGE_MAX: usize = 128;
/// The rule, for people.
pub const IMAGE_RULE: &str = "write `name` or `name/release`: parts of a-z 0-9 . _ - that begin with a letter or digit, joined by /, \
     optionally :TAG, at most 128 bytes";

/// Whether an image can have this name: parts of `a-z 0-9 . _ -` that start with a letter or digit, joined by `/`, and
/// optionally `:TAG` (`A-Z` too), at most [`IMAGE_MAX`] bytes. `debian/stable`, `archlinux`, `rust:1.95`.
pub fn is_image_name(name: &str) -> bool {
    let (path, tag) = match name.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (name, None),
    };
    let lower = |part: &str| !part.bytes().any(|byte| byte.is_ascii_uppercase());
    name.len() <= IMAGE_MAX
        && path.split('/').all(|part| lower(part) && is_word(part))
        && tag.is_none_or(is_word)
}

fn is_word(part: &str) -> bool {
    part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
