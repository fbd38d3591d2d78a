//! What a terminal would show of a log, line by line, as HTML without inline styles.
//!
//! A log is not a screen: each line keeps its number, so that movements up and down are ignored, while those within a
//! line (carriage return, columns, erasing) are carried out. Colours and a link go on from line to line. Whatever the
//! bytes are, the result is text between tags of ours, and a line costs bounded memory.

mod html;
mod palette;
mod row;
mod sgr;

use anstyle_parse::{DefaultCharAccumulator, Params, Parser, Perform};
use row::Row;
use sgr::Style;

pub use palette::sheet;
pub use row::COLUMNS_MAX;

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
}

impl Terminal {
    /// Shows the next line, given without its newline. A sequence that it does not end ends with it.
    pub fn line(&mut self, bytes: &[u8]) -> Shown {
        let mut parser = Parser::<DefaultCharAccumulator>::new();
        let mut hand = Hand { row: Row::default(), style: self.style, link: self.link.take(), saved: 0 };
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        for chunk in bytes.utf8_chunks() {
            chunk.valid().bytes().for_each(|byte| parser.advance(&mut hand, byte));
            if !chunk.invalid().is_empty() {
                hand.print(char::REPLACEMENT_CHARACTER);
            }
        }
        (self.style, self.link) = (hand.style, hand.link);
        html::show(&hand.row)
    }
}

/// Writes into a row.
struct Hand {
    row: Row,
    style: Style,
    link: Option<String>,
    saved: usize,
}

impl Perform for Hand {
    fn print(&mut self, c: char) {
        let c = if is_misleading(c) { char::REPLACEMENT_CHARACTER } else { c };
        self.row.put(c, self.style, self.link.as_deref());
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.row.go_to(0),
            b'\x08' => self.row.go_by(-1),
            b'\t' => self.row.tab(self.style),
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
        match action {
            b'm' => self.style.apply(params.iter()),
            b'K' | b'J' => match mode {
                0 => self.row.erase_right(),
                1 => self.row.erase_left(),
                _ => self.row.erase(),
            },
            b'C' | b'a' => self.row.go_by(isize::try_from(by).unwrap_or(isize::MAX)),
            b'D' => self.row.go_by(-isize::try_from(by).unwrap_or(isize::MAX)),
            b'G' | b'`' => self.row.go_to(by - 1),
            b'H' | b'f' => self.row.go_to(usize::from(nth(1)).max(1) - 1),
            b'E' | b'F' => self.row.go_to(0),
            b'P' => self.row.delete(by),
            b'@' => self.row.insert(by),
            b'X' => self.row.blank(by),
            b's' => self.saved = self.row.column(),
            b'u' => self.row.go_to(self.saved),
            _ => {}
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        match (intermediates, byte) {
            ([], b'7') => self.saved = self.row.column(),
            ([], b'8') => self.row.go_to(self.saved),
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
mod tests;
