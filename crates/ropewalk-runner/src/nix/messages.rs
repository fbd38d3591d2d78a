//! What Nix says on standard error with `--log-format internal-json`.
//!
//! A build can make Nix repeat messages that look like Nix's own; those lack `raw_msg`, which only errors that Nix
//! itself raises have.

use super::files::replaced;
use serde::Deserialize;
use serde_json::Value;

/// What a line of a message begins with.
const MARK: &[u8] = b"@nix ";
/// Bytes of a line; what is longer is cut there.
const LINE: usize = 1 << 20;
/// Bytes of an error's text that are kept.
const ERROR: usize = 8 << 10;

/// Nix's number for the building of a derivation.
const BUILD: u64 = 105;
/// Nix's number for a line of a build's log.
const BUILD_LINE: u64 = 101;
/// Nix's number for a line of the log of what runs after a build.
const POST_BUILD_LINE: u64 = 107;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The building of a derivation begins.
    Begun {
        /// Number of the activity.
        id: u64,
        /// Store path of the derivation.
        drv: String,
    },
    /// A line of the log of an activity, without its end.
    Line {
        /// Number of the activity.
        id: u64,
        /// As the build wrote it, made UTF-8.
        text: String,
    },
    /// An error that Nix itself raised, without colours.
    Error(String),
    /// A line that is no message, without colours.
    Text(String),
    /// Something else.
    Other,
}

#[derive(Deserialize)]
struct Message {
    action: String,
    #[serde(default)]
    id: u64,
    #[serde(default, rename = "type")]
    kind: u64,
    #[serde(default)]
    fields: Vec<Value>,
    #[serde(default)]
    level: u64,
    raw_msg: Option<String>,
}

/// Reads a line without its end.
#[must_use]
pub fn read(line: &[u8]) -> Said {
    let Some(json) = line.strip_prefix(MARK) else {
        return Said::Text(plain(&replaced(line)));
    };
    let Ok(message) = serde_json::from_slice::<Message>(json) else { return Said::Other };
    let Message { action, id, kind, fields, level, raw_msg } = message;
    let first = fields.into_iter().next().and_then(|field| match field {
        Value::String(text) => Some(text),
        _ => None,
    });
    match (action.as_str(), kind, first, raw_msg) {
        ("start", BUILD, Some(drv), _) => Said::Begun { id, drv },
        ("result", BUILD_LINE | POST_BUILD_LINE, Some(text), _) => Said::Line { id, text },
        ("msg", _, _, Some(text)) if level == 0 => Said::Error(plain(&text)),
        _ => Said::Other,
    }
}

/// A text without colours and control characters, as much of it as may be shown.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            // CSI: ends with a letter.
            '\u{1b}' => drop(rest.by_ref().find(char::is_ascii_alphabetic)),
            '\n' => shown.push('\n'),
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
        if shown.len() >= ERROR {
            break;
        }
    }
    shown
}

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
}

impl Lines {
    /// Takes bytes and hands each line that they end to `heard`.
    ///
    /// # Errors
    /// The first one of `heard`; lines after it are lost.
    pub fn take<E>(&mut self, bytes: &[u8], mut heard: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
            if ends {
                let line = std::mem::take(&mut self.line);
                heard(&line)?;
            }
        }
        Ok(())
    }

    /// The last line, if it has no end.
    #[must_use]
    pub fn rest(self) -> Option<Vec<u8>> {
        (!self.line.is_empty()).then_some(self.line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lines_of_a_build_and_nix_s_own_errors_are_told_from_the_rest() {
        let begun = br#"@nix {"action":"start","fields":["/s/a.drv","",1,1],"id":7,"level":3,"text":"building","type":105}"#;
        assert_eq!(read(begun), Said::Begun { id: 7, drv: "/s/a.drv".into() });
        let line = r#"@nix {"action":"result","fields":["a b"],"id":7,"type":101}"#;
        assert_eq!(read(line.as_bytes()), Said::Line { id: 7, text: "a b".into() });
        let error = br#"@nix {"action":"msg","column":null,"level":0,"msg":"x","raw_msg":"builder for '\u001b[35;1m/s/a.drv\u001b[0m' failed\u0000"}"#;
        assert_eq!(read(error), Said::Error("builder for '/s/a.drv' failed ".into()));
        assert_eq!(read(b"error: \x1b[1mbusy"), Said::Text("error: busy".into()));
        let other: [&[u8]; 6] = [
            // What a build can make Nix say.
            br#"@nix {"action":"msg","level":0,"msg":"error: hash mismatch"}"#,
            br#"@nix {"action":"result","fields":[1,2],"id":1,"type":105}"#,
            br#"@nix {"action":"result","fields":[7],"id":1,"type":101}"#,
            br#"@nix {"action":"stop","id":1}"#,
            br#"@nix {"action":7}"#,
            b"@nix ",
        ];
        for line in other {
            assert_eq!(read(line), Said::Other);
        }
    }

    #[test]
    fn lines_are_cut_at_their_limit_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE + 10];
        let (heard, rest) = cut(&[&long, b"yy\nnext", b" one\n\nrest"]);
        assert_eq!(heard, [long[..LINE].to_vec(), b"next one".to_vec(), vec![]]);
        assert_eq!(rest.unwrap(), b"rest");
    }

    fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let (mut lines, mut heard) = (Lines::default(), vec![]);
        for piece in pieces {
            let taken: Result<(), ()> = lines.take(piece, |line| {
                heard.push(line.to_vec());
                Ok(())
            });
            taken.unwrap();
        }
        (heard, lines.rest())
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(line in prop::collection::vec(any::<u8>(), 0..200), json in ".{0,100}") {
            let _ = read(&line);
            let _ = read(format!("@nix {json}").as_bytes());
        }

        #[test]
        fn lines_do_not_depend_on_how_the_bytes_come(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), at in 0usize..200) {
            let (a, b) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(cut(&[&bytes]), cut(&[a, b]));
        }
    }
}
