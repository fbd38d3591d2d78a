//! Values as Nix text. Whoever writes them may be an attacker.

/// A Nix string of exactly this text, for values and for names of attributes. It is made of the characters of ASCII that
/// can be seen, whatever the text is made of: the line editor of `nix repl` obeys others, also where there is no terminal.
pub(crate) fn text(value: &str) -> String {
    // Nix has words for these three.
    let is_plain = |c: char| matches!(c, ' '..='~' | '\n' | '\r' | '\t');
    match value.chars().all(is_plain) {
        true => string(value),
        false => format!("\"${{builtins.fromJSON {}}}\"", string(&json(value))),
    }
}

/// A string without anything to be evaluated in it.
fn string(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // The lexer turns a raw carriage return into a line feed.
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A JSON string in visible ASCII.
fn json(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            // No Nix string holds it; nothing that is asked for has it.
            '\0' => quoted.push_str("\\ufffd"),
            c => {
                let units = c
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}"))
                    .collect::<String>();
                quoted.push_str(&units);
            }
        }
    }
    quoted.push('"');
    quoted
}

/// A Nix list of such strings.
pub(crate) fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = values.into_iter().map(text).collect();
    format!("[ {} ]", quoted.join(" "))
}

/// The text of a Nix string as Nix prints it, without its quotes. None if it is cut.
pub(crate) fn unquote(printed: &str) -> Option<String> {
    let mut value = String::with_capacity(printed.len());
    let mut chars = printed.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            }),
            c => value.push(c),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_nix() {
        assert_eq!(text("a${throw \"x\"}\\"), r#""a\${throw \"x\"}\\""#);
        assert_eq!(text("$${a}\r\n"), r#""\$\${a}\r\n""#);
        assert_eq!(list(["a", "b\""]), r#"[ "a" "b\"" ]"#);
    }

    #[test]
    fn what_a_line_editor_obeys_is_not_in_a_text() {
        assert_eq!(text("a\u{15}:b"), r#""${builtins.fromJSON "\"a\\u0015:b\""}""#);
        assert_eq!(text("ö\"\\🦀"), r#""${builtins.fromJSON "\"\\u00f6\\\"\\\\\\ud83e\\udd80\""}""#);
    }

    /// What Nix takes such a text for.
    fn read(quoted: &str) -> String {
        let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let json = inner.strip_prefix("${builtins.fromJSON \"").and_then(|rest| rest.strip_suffix("\"}"));
        match json {
            Some(json) => serde_json::from_str(&unquote(json).unwrap()).unwrap(),
            None => unquote(inner).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_it_was_written_and_can_be_seen(value in "([^\0]|[\u{1}-\u{9f}])*") {
            let quoted = text(&value);
            prop_assert!(quoted.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{quoted:?}");
            prop_assert_eq!(read(&quoted), value);
        }
    }
}
