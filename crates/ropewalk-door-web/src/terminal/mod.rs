//! What a terminal would show of a log, line by line, as HTML without inline styles.
//!
//! The cursor moves within a line and, up to [`ROWS_MAX`] rows back, among lines: a line that writes over others has no
//! row of its own, so that numbers are left out where it happened. Rows are never cleared as a whole screen is: what was
//! printed before stays. Colours and a link go on from line to line. Whatever the bytes are, the result is text between
//! tags of ours, and a terminal costs bounded memory.

mod html;
mod palette;
mod row;
mod rows;
mod sgr;

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};
use rows::Rows;
use sgr::Style;
use std::borrow::Cow;

pub use html::escaped;
pub use palette::sheet;
pub use row::COLUMNS_MAX;
pub use rows::{Place, ROWS_MAX};

/// Bytes of a link's address.
const ADDRESS_MAX: usize = 2048;

/// A line as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// HTML: text, `span` with classes, `a` with `http` and `https` addresses only.
    pub html: String,
    /// The same without any mark-up.
    pub text: String,
}

/// Goes through a log from some line on.
#[derive(Clone, Debug, Default)]
pub struct Terminal {
    style: Style,
    link: Option<String>,
    rows: Rows,
    saved: (Place, usize),
}

impl Terminal {
    /// Shows the next line by itself, given without its newline: the cursor stays in it. A sequence that it does not end
    /// ends with it.
    pub fn line(&mut self, bytes: &[u8]) -> Shown {
        self.rows = Rows::default();
        let mut rows = self.lines(Place::default(), bytes);
        rows.pop().map(|(_, shown)| shown).unwrap_or_default()
    }

    /// Takes the next line, which begins at this place. Answers all rows that it made or changed, each with the place of
    /// the line that made it, in order.
    pub fn lines(&mut self, place: Place, bytes: &[u8]) -> Vec<(Place, Shown)> {
        let mut parser = Parser::<DefaultCharAccumulator>::new();
        self.rows.begin(place);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        for chunk in without_strings(bytes).utf8_chunks() {
            chunk.valid().bytes().for_each(|byte| parser.advance(self, byte));
            if !chunk.invalid().is_empty() {
                self.print(char::REPLACEMENT_CHARACTER);
            }
        }
        let shown = self.rows.take_new().map(|placed| (placed.place, html::show(&placed.row))).collect();
        self.rows.end();
        shown
    }

    /// The first line whose row may still change.
    pub fn oldest(&self) -> Option<Place> {
        self.rows.oldest()
    }

    fn here(&mut self, change: impl FnOnce(&mut row::Row)) {
        self.rows.here(change);
    }
}

/// The bytes without strings for applications (APC, PM, SOS), of which nothing is shown. Buildkite's agent ends its
/// times with a bell, at which a parser would go on; ESC, with which the others end, and the line's end do too.
fn without_strings(bytes: &[u8]) -> Cow<'_, [u8]> {
    let begin =
        |bytes: &[u8]| bytes.array_windows().position(|pair| matches!(pair, [0x1b, b'_' | b'^' | b'X']));
    if begin(bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let (mut kept, mut rest) = (Vec::new(), bytes);
    while let Some(at) = begin(rest) {
        let (text, string) = rest.split_at(at);
        kept.extend_from_slice(text);
        let string = string.get(2..).unwrap_or_default();
        let end = memchr::memchr2(0x07, 0x1b, string).unwrap_or(string.len());
        // An ESC begins what ends the string, or something else.
        let past = end + usize::from(string.get(end) == Some(&0x07));
        rest = string.get(past..).unwrap_or_default();
    }
    kept.extend_from_slice(rest);
    Cow::Owned(kept)
}

impl Perform for Terminal {
    fn print(&mut self, c: char) {
        let c = if is_misleading(c) { char::REPLACEMENT_CHARACTER } else { c };
        self.rows.put(c, self.style, self.link.as_deref());
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.here(|row| row.go_to(0)),
            b'\x08' => self.here(|row| row.go_by(-1)),
            b'\t' => {
                let style = self.style;
                self.here(|row| row.tab(style));
            }
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        let nth = |at: usize| params.iter().nth(at).and_then(|param| param.first()).copied().unwrap_or(0);
        let mode = nth(0);
        let by = usize::from(mode).max(1);
        let signed = isize::try_from(by).unwrap_or(isize::MAX);
        match action {
            b'm' => self.style.apply(params.iter()),
            b'K' | b'J' => {
                self.here(|row| match mode {
                    0 => row.erase_right(),
                    1 => row.erase_left(),
                    _ => row.erase(),
                });
                if (action, mode) == (b'J', 0) {
                    self.rows.erase_below();
                }
            }
            b'A' => self.rows.go_by(-signed),
            b'B' | b'e' => self.rows.go_by(signed),
            b'C' | b'a' => self.here(|row| row.go_by(signed)),
            b'D' => self.here(|row| row.go_by(-signed)),
            b'E' | b'F' => {
                self.rows.go_by(if action == b'E' { signed } else { -signed });
                self.here(|row| row.go_to(0));
            }
            b'G' | b'`' => self.here(|row| row.go_to(by - 1)),
            // Which row of a screen is meant cannot be known.
            b'H' | b'f' => self.here(|row| row.go_to(usize::from(nth(1)).max(1) - 1)),
            b'P' => self.here(|row| row.delete(by)),
            b'@' => self.here(|row| row.insert(by)),
            b'X' => self.here(|row| row.blank(by)),
            b's' => self.saved = self.rows.cursor(),
            b'u' => self.rows.go_to(self.saved),
            _ => {}
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        match (intermediates, byte) {
            ([], b'7') => self.saved = self.rows.cursor(),
            ([], b'8') => self.rows.go_to(self.saved),
            ([], b'c') => (self.style, self.link) = (Style::default(), None),
            _ => {}
        }
    }

    /// OSC 8 begins and ends links; its address may hold semicolons, at which the parser divides.
    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        if let [b"8", _, address @ ..] = params {
            self.link = safe_address(&address.join(&b';'));
        }
    }
}

/// Addresses that lead to a page and nowhere else.
fn safe_address(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= ADDRESS_MAX)?;
    let is_web = text.starts_with("http://") || text.starts_with("https://");
    (is_web && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

/// Characters that are no text, and those that make text read in another order than it is written.
fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
