//! Search through a whole log, a part at a time.

use super::window::Reader;
use crate::terminal::Terminal;
use memchr::memmem::Finder;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::OpenLog;
use ropewalk_core::port::Landmark;

/// Characters of a text that is searched for.
pub(crate) const NEEDLE_MAX: usize = 256;
/// Lines that one answer holds.
pub(crate) const HITS_MAX: usize = 200;
/// Bytes that one answer looks at.
const LOOKED_AT: u64 = 256 << 20;

/// What was found in a part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Numbers of lines and their texts, in order.
    pub(crate) lines: Vec<(u64, String)>,
    /// Where to go on; none if the log was searched to its end.
    pub(crate) next: Option<Landmark>,
}

/// Finds the lines that hold a text, whatever the case of its ASCII letters, from a place on. Lines are taken as they
/// are shown.
pub(crate) async fn search(farm: &Farm, open: OpenLog, needle: &str, from: Landmark) -> Result<Found, Error> {
    let size = farm.read_log(open, 0, 0).await?.size;
    let needle: String = needle.chars().take(NEEDLE_MAX).collect::<String>().to_ascii_lowercase();
    let finder = Finder::new(needle.as_bytes());
    let mut reader = Reader::new(farm, open, from, size).up_to(LOOKED_AT);
    let mut found = Found::default();
    while let Some(line) = reader.line().await? {
        if let Some(text) = hit(&finder, &line.bytes) {
            found.lines.push((line.number, text));
        }
        if found.lines.len() >= HITS_MAX {
            found.next = (reader.at.offset < size).then_some(reader.at);
            return Ok(found);
        }
    }
    found.next = reader.is_spent().then_some(reader.at);
    Ok(found)
}

/// The line as it is shown, if it holds what is searched for.
fn hit(finder: &Finder<'_>, bytes: &[u8]) -> Option<String> {
    let is_plain = bytes.iter().all(|byte| *byte >= b' ' || *byte == b'\t');
    let holds = |bytes: &[u8]| finder.find(&bytes.to_ascii_lowercase()).is_some();
    if is_plain && !holds(bytes) {
        return None;
    }
    let text = Terminal::default().line(bytes).text;
    holds(text.as_bytes()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_searched_as_it_is_shown() {
        let hit = |needle: &str, line: &[u8]| hit(&Finder::new(needle.as_bytes()), line);
        assert_eq!(hit("err", b"an ERRor"), Some("an ERRor".into()));
        assert_eq!(hit("error", b"\x1b[1mer\x1b[31mror"), Some("error".into()));
        assert_eq!(hit("31", b"\x1b[31mx"), None);
        assert_eq!(hit("10%", b"10%\r90%"), None);
    }
}
