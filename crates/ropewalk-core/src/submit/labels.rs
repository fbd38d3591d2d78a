//! Rules for what a job is labelled with.

use crate::error::Error;
use ropewalk_model::limits::RequestLimits;
use ropewalk_model::manifest::{Action, Manifest};

/// Splits tags at slashes, as they are joined by slashes in addresses, and drops empty ones: `hut` sends `[""]`
/// for none.
pub(crate) fn tags(tags: Vec<String>, limits: &RequestLimits) -> Result<Vec<String>, Error> {
    let tags: Vec<String> =
        tags.iter().flat_map(|tag| tag.split('/')).filter(|tag| !tag.is_empty()).map(String::from).collect();
    if tags.len() > limits.tags {
        let (given, most) = (tags.len(), limits.tags);
        return Err(Error::malformed(format!("{given} tags are too many: give at most {most}")).about("tags"));
    }
    for tag in &tags {
        if tag.chars().count() > limits.tag {
            let most = limits.tag;
            return Err(Error::malformed(format!("a tag has at most {most} characters")).about("tags"));
        }
        // Browsers take such a part of an address away, and with it the part before.
        if tag == "." || tag == ".." {
            return Err(Error::malformed(format!("{tag:?} cannot be a tag: it would be lost in addresses"))
                .about("tags"));
        }
        if tag.chars().any(char::is_control) {
            return Err(Error::malformed(format!("the tag {tag:?} holds a control character")).about("tags"));
        }
    }
    Ok(tags)
}

/// Checks a note's length; an empty note is none. A NUL has no place in a text column.
pub(crate) fn note(note: Option<String>, limits: &RequestLimits) -> Result<Option<String>, Error> {
    let Some(note) = note.filter(|note| !note.is_empty()) else { return Ok(None) };
    if note.chars().count() > limits.note {
        let most = limits.note;
        return Err(Error::malformed(format!("a note has at most {most} characters")).about("note"));
    }
    if note.contains('\0') {
        return Err(Error::malformed("the note holds a NUL character").about("note"));
    }
    Ok(Some(note))
}

/// Refuses NUL in what is stored as text and shown: one of the databases cannot hold it, and no program takes it as an
/// argument.
pub(crate) fn texts(text: &str, manifest: &Manifest) -> Result<(), Error> {
    let triggers = manifest.triggers.iter().flat_map(|trigger| match &trigger.action {
        Action::Email { to, cc, in_reply_to } => [to.as_deref(), cc.as_deref(), in_reply_to.as_deref()],
        Action::Webhook { url } => [Some(url.as_str()), None, None],
    });
    let artifacts = manifest.artifacts.iter().map(String::as_str);
    let mut all = [text, manifest.image.as_str()].into_iter().chain(artifacts).chain(triggers.flatten());
    if all.any(|text| text.contains('\0')) {
        return Err(Error::malformed("the manifest holds a NUL character: remove it").about("manifest"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RequestLimits {
        RequestLimits { tags: 3, tag: 4, note: 5, ..RequestLimits::default() }
    }

    fn split(given: &[&str]) -> Result<Vec<String>, Error> {
        tags(given.iter().map(|tag| tag.to_string()).collect(), &limits())
    }

    #[test]
    fn tags_are_split_and_empty_ones_dropped() {
        assert_eq!(split(&["", "a/b", "/c/"]).unwrap(), ["a", "b", "c"]);
        assert!(split(&[""]).unwrap().is_empty());
    }

    #[test]
    fn the_limits_count_after_splitting() {
        assert!(split(&["a/b/c"]).is_ok() && split(&["a/b/c/d"]).is_err());
        assert!(split(&["äöüß"]).is_ok() && split(&["abcde"]).is_err());
        assert!(split(&["a\nb"]).is_err() && split(&["a\0"]).is_err());
        assert!(split(&["a/../b"]).is_err() && split(&["."]).is_err() && split(&["..."]).is_ok());
    }

    #[test]
    fn notes_count_characters() {
        assert_eq!(note(Some("äöüßx".into()), &limits()).unwrap().as_deref(), Some("äöüßx"));
        assert!(
            note(Some("abcdef".into()), &limits()).is_err() && note(Some("\0".into()), &limits()).is_err()
        );
        assert_eq!(note(Some(String::new()), &limits()).unwrap(), None);
    }
}
