//! Values as Nix text. Whoever writes them may be an attacker.

/// A Nix string of exactly this text.
pub(crate) fn text(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            // The lexer turns a raw carriage return into a line feed.
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // No Nix string holds it; nothing that is asked for has it.
            '\0' => quoted.push('\u{fffd}'),
            c => quoted.push(c),
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

    proptest! {
        #[test]
        fn a_text_is_read_as_it_was_written(value in "[^\0]*") {
            let quoted = text(&value);
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
            prop_assert!(!inner.contains(['\n', '\r']));
            prop_assert_eq!(unquote(inner).unwrap(), value);
        }
    }
}
