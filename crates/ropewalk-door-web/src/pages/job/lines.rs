//! Lines of a log as HTML.

use crate::log::name::Pointed;
use crate::log::notable::{Tone, tone};
use crate::log::window::Line;
use crate::pages::show;
use crate::terminal::Terminal;
use askama::filters::HtmlSafe;
use std::fmt::{self, Write};

/// HTML that was made here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(pub(crate) String);

impl HtmlSafe for Lines {}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes lines of one log.
pub(crate) struct Pen<'a> {
    /// `task-NAME` or `setup`.
    pub(crate) anchor: &'a str,
    /// Address that the links of the lines begin with, up to `?`.
    pub(crate) page: &'a str,
    /// Address of the whole log as bytes.
    pub(crate) raw: &'a str,
    pub(crate) terminal: Terminal,
}

impl Pen<'_> {
    pub(crate) fn write(&mut self, lines: &[Line], pointed: Option<&Pointed>) -> Lines {
        let mut html = String::new();
        for line in lines {
            self.line(line, pointed, &mut html);
        }
        Lines(html)
    }

    /// One `span.l`: number, text, newline; padded, so that it reads the same without a style sheet.
    pub(crate) fn line(&mut self, line: &Line, pointed: Option<&Pointed>, html: &mut String) {
        let shown = self.terminal.line(&line.bytes);
        let class = match tone(&shown.text) {
            Some(Tone::Error) => " err",
            Some(Tone::Warning) => " warn",
            None => "",
        };
        let is_pointed = pointed
            .is_some_and(|pointed| pointed.anchor == self.anchor && pointed.lines.contains(&line.number));
        let selected = if is_pointed { " sel" } else { "" };
        let number = line.number;
        let id = format!("{}-{number}", self.anchor);
        let pad = " ".repeat(5usize.saturating_sub(number.to_string().len()));
        let (page, text) = (self.page, shown.html);
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<span class=\"l{class}{selected}\" id=\"{id}\">{pad}<a href=\"{page}?l={id}#{id}\">{number}</a> <span>{text}"
        );
        let beyond = shown.text.chars().count() >= crate::terminal::COLUMNS_MAX;
        if line.left_out > 0 || beyond {
            let (raw, size) = (self.raw, show::size(line.bytes.len() as u64 + line.left_out));
            let _ = write!(html, " <a href=\"{raw}\">… this line has {size}, see the raw log</a>");
        }
        html.push_str("\n</span></span>");
    }
}
