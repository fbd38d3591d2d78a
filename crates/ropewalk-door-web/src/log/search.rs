//! Search through a whole log, a part at a time.

use super::window::Reader;
use crate::terminal::Terminal;
use memchr::memmem::Finder;
use memchr::{memchr, memchr2, memchr3};
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::OpenLog;
use ropewalk_core::port::Landmark;
use std::borrow::Cow;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Characters of a text that is searched for.
pub(crate) const NEEDLE_MAX: usize = 256;
/// Lines that one answer holds.
pub(crate) const HITS_MAX: usize = 200;
/// How long one answer takes; what is left is for the next one.
const LOOKED_FOR: Duration = Duration::from_secs(2);
/// After so long other requests have their turn.
const TURN: Duration = Duration::from_millis(10);
/// Searches of the whole server at the same time; others wait for a little while.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
const WAITED: Duration = Duration::from_secs(5);

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
///
/// # Errors
/// [`Kind::TooMany`] while too many others search.
pub(crate) async fn search(farm: &Farm, open: OpenLog, needle: &str, from: Landmark) -> Result<Found, Error> {
    let Ok(Ok(_turn)) = timeout(WAITED, AT_ONCE.acquire()).await else {
        return Err(Error::new(Kind::TooMany, "too many searches go on: try again in a few seconds"));
    };
    let size = farm.read_log(open, 0, 0).await?.size;
    let needle: String = needle.chars().take(NEEDLE_MAX).collect::<String>().to_ascii_lowercase();
    let finder = Finder::new(needle.as_bytes());
    let mut reader = Reader::new(farm, open, from, size).up_to(farm.settings().requests.search_bytes);
    let mut found = Found::default();
    let started = Instant::now();
    let mut turn = started;
    while let Some(line) = reader.line().await? {
        if turn.elapsed() >= TURN {
            tokio::task::yield_now().await;
            turn = Instant::now();
        }
        if let Some(text) = hit(&finder, &line.bytes) {
            found.lines.push((line.number, text));
        }
        if found.lines.len() >= HITS_MAX || started.elapsed() >= LOOKED_FOR {
            found.next = (reader.at.offset < size).then_some(reader.at);
            return Ok(found);
        }
    }
    found.next = reader.is_spent().then_some(reader.at);
    Ok(found)
}

/// The line as it is shown, if it holds what is searched for.
fn hit(finder: &Finder<'_>, bytes: &[u8]) -> Option<String> {
    let holds = |bytes: &[u8]| finder.find(&bytes.to_ascii_lowercase()).is_some();
    // Most lines are themselves, or themselves with colours: these need no terminal to be passed over.
    if uncoloured(bytes).is_some_and(|text| !holds(&text)) {
        return None;
    }
    let text = Terminal::default().line(bytes).text;
    holds(text.as_bytes()).then_some(text)
}

/// The text of a line that has colours at most; none of one with other controls.
fn uncoloured(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if memchr3(b'\r', 0x08, 0x07, rest).is_some() || memchr2(0, 0x0e, rest).is_some() {
        return None;
    }
    let mut text = Cow::Borrowed(rest);
    if memchr(0x1b, rest).is_some() {
        text = Cow::Owned(Vec::with_capacity(rest.len()));
    }
    while let Some(at) = memchr(0x1b, rest) {
        let (before, sequence) = rest.split_at(at);
        let sequence = sequence.strip_prefix(b"\x1b[")?;
        let end = sequence.iter().position(|byte| !matches!(byte, b'0'..=b';'))?;
        rest = sequence.get(end..)?.strip_prefix(b"m")?;
        text.to_mut().extend_from_slice(before);
    }
    if let Cow::Owned(text) = &mut text {
        text.extend_from_slice(rest);
    }
    Some(text)
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
        assert_eq!(hit("90%", b"10%\r90%\r"), Some("90%".into()));
        assert_eq!(hit("here", b"\x1b]8;;http://x\x07he\x07re"), Some("here".into()));
    }

    #[test]
    fn a_line_is_passed_over_without_a_terminal_if_it_has_colours_at_most() {
        let text = |line: &'static [u8]| {
            uncoloured(line).map(|text| String::from_utf8(text.to_vec()).unwrap_or_default())
        };
        assert_eq!(text(b"a\tb\r"), Some("a\tb".into()));
        assert_eq!(text(b"\x1b[1;38:5:3mred\x1b[0m!\x1b[m"), Some("red!".into()));
        for other in [&b"\x1b[2Kx"[..], b"a\rb", b"a\x08b", b"\x1b]0;t\x07", b"\x1b[31", b"\x1b(B", b"a\0"] {
            assert_eq!(text(other), None, "{other:?}");
        }
    }
}
