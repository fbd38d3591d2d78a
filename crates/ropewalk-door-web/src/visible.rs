//! Characters that nobody sees, or that turn the text around them: shown by their numbers, so that no tag, note or name
//! looks like another one.

use askama::filters::HtmlSafe;
use std::borrow::Cow;
use std::fmt::{self, Write};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The text with `[U+202E]` in place of what cannot be seen. For text, and for finished HTML and XML.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    for c in text.chars() {
        push(c, before, &mut shown);
        before = Some(c);
    }
    Cow::Owned(shown)
}

/// Adds a character, by its number if it cannot be seen behind the one before it.
pub(crate) fn push(c: char, before: Option<char>, to: &mut String) {
    if is_hidden(c, before) {
        // Writing to a string cannot fail.
        let _ = write!(to, "[U+{:04X}]", u32::from(c));
    } else {
        to.push(c);
    }
}

/// Whether a character takes no room of its own, or changes where others stand.
fn is_hidden(c: char, before: Option<char>) -> bool {
    if matches!(c, ' '..='~' | '\n' | '\r' | '\t') {
        return false;
    }
    if is_shaping(c) {
        // Scripts that need them, and emoji, are not written in ASCII; digits may become emoji.
        return before.is_none_or(|before| before.is_ascii() && !before.is_ascii_digit());
    }
    let by_category = matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    by_category || is_blank(c)
}

/// Joiners and variation selectors: they change how the character before them looks.
fn is_shaping(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{180b}'..='\u{180d}' | '\u{180f}')
}

/// Letters and marks without a shape, and what Unicode keeps free for more of them: the rest of its property
/// `Default_Ignorable_Code_Point`.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2065}' | '\u{3164}')
        || matches!(c, '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text as the value of a form's field: what cannot be seen stays what it is, so that a form that is sent back
/// changes nothing.
pub(crate) struct Kept<'a>(&'a str);

/// The text as it is, for a field of a form.
pub(crate) fn kept(text: &(impl AsRef<str> + ?Sized)) -> Kept<'_> {
    Kept(text.as_ref())
}

impl HtmlSafe for Kept<'_> {}

impl fmt::Display for Kept<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for c in self.0.chars() {
            match c {
                '&' | '<' | '>' | '"' | '\'' => write!(f, "&#{};", u32::from(c))?,
                // There is no reference to these, and nobody can see what becomes of them.
                '\0'..='\x08' | '\x0b'..='\x0c' | '\x0e'..='\x1f' | '\x7f'..='\u{9f}' => {
                    f.write_char('\u{fffd}')?
                }
                c if is_hidden(c, before) => write!(f, "&#{};", u32::from(c))?,
                c => f.write_char(c)?,
            }
            before = Some(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_text_around_is_shown_by_its_number() {
        assert_eq!(visible("main\u{202e}gpj.exe"), "main[U+202E]gpj.exe");
        for hidden in
            "\u{61c}\u{200b}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{2066}\u{2069}\u{ad}\u{feff}\u{e0041}"
                .chars()
        {
            let shown = visible(&format!("é{hidden}b")).into_owned();
            assert_eq!(shown, format!("é[U+{:04X}]b", u32::from(hidden)));
        }
        assert_eq!(visible("a\u{3164}b\u{115f}"), "a[U+3164]b[U+115F]");
        assert_eq!(visible("a\x1b[1m\x7f\u{85}"), "a[U+001B][1m[U+007F][U+0085]");
    }

    #[test]
    fn what_can_be_seen_stays_as_it_is() {
        for plain in [
            "",
            "a b/c\n\td",
            "größer → 中文 עברית العربية ไทย e\u{301} ⠿\u{2800}",
            "می\u{200c}خواهم",
            "👩\u{200d}💻 1\u{fe0f}\u{20e3}",
        ] {
            assert_eq!(visible(plain), plain);
        }
        assert_eq!(visible("a\u{200d}b \u{fe0f}"), "a[U+200D]b [U+FE0F]", "two that look alike");
    }

    #[test]
    fn a_field_of_a_form_keeps_its_value() {
        assert_eq!(kept("a\u{202e}\"<b>&\n").to_string(), "a&#8238;&#34;&#60;b&#62;&#38;\n");
        let page = kept("a\u{202e}b").to_string();
        assert_eq!(visible(&page), page);
    }
}
