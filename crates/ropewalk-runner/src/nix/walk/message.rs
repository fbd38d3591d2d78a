//! What Nix says when something cannot be evaluated, made fit to be shown.

/// Colours, as a terminal would take them.
const ESCAPE: char = '\u{1b}';

/// The text without colours, without what leads from our own walker to the error, and no longer than `most` bytes.
pub(crate) fn shown(said: &str, most: usize) -> String {
    let said = without_colours(said);
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    // Newer versions begin with how the error was reached: from us. The last one says what it is.
    let last = lines.iter().rposition(|line| begins_error(line)).unwrap_or(0);
    let mut text = String::new();
    let mut was_empty = true;
    for line in lines.into_iter().skip(last) {
        let line = if text.is_empty() { line.trim_start() } else { line };
        if line.is_empty() && was_empty {
            continue;
        }
        was_empty = line.is_empty();
        text.push_str(line);
        text.push('\n');
    }
    cut(text.trim_end(), most)
}

fn begins_error(line: &str) -> bool {
    line.trim_start().starts_with("error:") && line.trim() != "error:"
}

/// Without escape sequences: CSI up to its letter, anything else with its one character.
fn without_colours(said: &str) -> String {
    let mut plain = String::with_capacity(said.len());
    let mut chars = said.chars();
    while let Some(c) = chars.next() {
        match c {
            ESCAPE if chars.next() == Some('[') => {
                chars.find(|c| ('@'..='~').contains(c));
            }
            ESCAPE => {}
            '\n' | '\t' => plain.push(c),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}\n(the rest is left out)", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_error_itself_is_shown() {
        let old = "\u{1b}[31;1merror:\u{1b}[0m infinite recursion encountered\n\n       at /s/r.nix:2:19:\n\n            1| a\n";
        assert_eq!(
            shown(old, 1000),
            "error: infinite recursion encountered\n\n       at /s/r.nix:2:19:\n\n            1| a"
        );
        let new = "error:\n       … while evaluating w.look\n         at /ropewalk/walk.nix:1:1\n\n       error: cannot add\n       at /s/r.nix:1:2\n";
        assert_eq!(shown(new, 1000), "error: cannot add\n       at /s/r.nix:1:2");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shown("error: ääää", 10), "error: ä\n(the rest is left out)");
    }

    #[test]
    fn nothing_is_no_error() {
        assert_eq!(shown("", 10), "");
        assert_eq!(shown("\u{1b}", 10), "");
    }
}
