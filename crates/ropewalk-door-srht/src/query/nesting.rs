//! How deep brackets stand in each other, before anything parses them.

/// The greatest number of open brackets of a GraphQL document; strings and comments do not count.
pub(super) fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0_usize);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' => after_string(rest),
            '#' => rest.split_once(['\n', '\r']).map_or("", |(_, after)| after),
            _ => {
                match first {
                    '{' | '[' | '(' => open += 1,
                    '}' | ']' | ')' => open = open.saturating_sub(1),
                    _ => {}
                }
                most = most.max(open);
                rest.get(first.len_utf8()..).unwrap_or_default()
            }
        };
    }
    most
}

/// What stands behind the string that the text begins with; nothing if it has no end.
fn after_string(text: &str) -> &str {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(at) = block.get(from..).and_then(|rest| rest.find("\"\"\"")) {
            let at = from + at;
            if !block.get(..at).is_some_and(|before| before.ends_with('\\')) {
                return block.get(at + 3..).unwrap_or_default();
            }
            from = at + 3;
        }
        return "";
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return text.get(at + 1..).unwrap_or_default(),
            // No string goes over a line: what follows is looked at.
            '\n' | '\r' => return text.get(at..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::nesting;

    #[test]
    fn brackets_are_counted_outside_of_strings_and_comments() {
        for (text, deep) in [
            ("{a(b:[[1]])}", 4),
            ("{a}{b}", 1),
            ("{a(b: \"((((\")}", 2),
            ("{a(b: \"\\\"((((\")}", 2),
            ("{a(b: \"\"\"((\\\"\"\"((\"\"\")}", 2),
            ("# {{{{\n{a}", 1),
            ("\"unfinished {{{\n{{", 2),
            ("}}}}{", 1),
            ("", 0),
        ] {
            assert_eq!(nesting(text), deep, "{text}");
        }
    }
}
