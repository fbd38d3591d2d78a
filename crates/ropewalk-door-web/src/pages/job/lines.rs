//! Lines of a log as HTML.

use crate::log::clock::Clock;
use crate::log::fold::{self, Part, Role};
use crate::log::name::Pointed;
use crate::log::notable::{Tone, tone};
use crate::log::window::Line;
use crate::pages::show;
use crate::terminal::{Place, Shown, Terminal, escaped};
use askama::filters::HtmlSafe;
use ropewalk_model::time::Time;
use std::fmt::{self, Write};

/// Characters of a head by which its fold is remembered.
const REMEMBERED: usize = 120;

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
    /// When the lines came.
    pub(crate) clock: &'a Clock,
    pub(crate) terminal: Terminal,
}

/// A row that was written.
struct Written {
    /// Of the line that made it.
    number: u64,
    /// Its classes but the last one.
    class: String,
    /// What stands behind its classes.
    rest: String,
    role: Role,
    /// Without mark-up, of a head.
    head: String,
    at: Option<Time>,
    is_error: bool,
    /// The address points at it, or at a line that wrote over it.
    is_pointed: bool,
}

impl Written {
    /// An error, or a row that the address points at, is never folded away.
    fn stays(&self) -> bool {
        self.is_error || self.is_pointed
    }

    fn html(&self, html: &mut String) {
        let selected = if self.is_pointed { " sel" } else { "" };
        let (class, rest) = (&self.class, &self.rest);
        // Writing to a string cannot fail.
        let _ = write!(html, "<span class=\"l{class}{selected}\" {rest}");
    }
}

impl Pen<'_> {
    /// Lines, in folds where they belong to a head. What is short, or last, or has a line that matters, is open.
    pub(crate) fn write(&mut self, lines: &[Line], pointed: Option<&Pointed>) -> Lines {
        let mut written: Vec<Written> = Vec::new();
        for line in lines {
            for row in self.rows(line, pointed) {
                match written.binary_search_by_key(&row.number, |known| known.number) {
                    Ok(at) => {
                        if let Some(known) = written.get_mut(at) {
                            let is_pointed = known.is_pointed || row.is_pointed;
                            *known = Written { is_pointed, ..row };
                        }
                    }
                    Err(at) => written.insert(at, row),
                }
            }
        }
        let roles: Vec<Role> = written.iter().map(|line| line.role).collect();
        let mut html = String::new();
        for part in fold::parts(&roles) {
            match part {
                Part::Loose(range) => pre(written.get(range).unwrap_or_default(), &mut html),
                Part::Fold(range) => {
                    let head = range.start.checked_sub(1).and_then(|head| written.get(head));
                    let next = written.get(range.end);
                    self.fold(head, written.get(range).unwrap_or_default(), next, &mut html);
                }
            }
        }
        Lines(html)
    }

    fn fold(&self, head: Option<&Written>, below: &[Written], next: Option<&Written>, html: &mut String) {
        let (Some(head), Some(last)) = (head, below.last()) else { return };
        let open = if next.is_none() || below.iter().any(Written::stays) { " data-pinned open" } else { "" };
        let class = if head.role == Role::Group { "fold g" } else { "fold" };
        let ended = if last.role == Role::End { " data-ended" } else { "" };
        let (anchor, name) = (self.anchor, escaped(&head.head));
        let took = match (head.at, next.and_then(|next| next.at)) {
            (Some(from), Some(to)) if to.since(from).as_secs() > 0 => {
                format!(", {}", show::clock(to.since(from)))
            }
            _ => String::new(),
        };
        let (count, word) =
            (show::number(below.len() as u64), if below.len() == 1 { "line" } else { "lines" });
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<details class=\"{class}\" data-name=\"{anchor} {name}\"{ended}{open}><summary>{count} {word}{took}<span class=\"vh\"> of {name}</span></summary>",
        );
        pre(below, html);
        html.push_str("</details>");
    }

    /// The rows that a line makes or changes, apart from any fold.
    pub(crate) fn line(&mut self, line: &Line, html: &mut String) {
        self.rows(line, None).iter().for_each(|row| row.html(html));
    }

    fn rows(&mut self, line: &Line, pointed: Option<&Pointed>) -> Vec<Written> {
        let is_pointed = pointed
            .is_some_and(|pointed| pointed.anchor == self.anchor && pointed.lines.contains(&line.number));
        let here = Place { number: line.number, offset: line.offset };
        let rows = self.terminal.lines(here, &line.bytes);
        rows.into_iter().map(|(place, shown)| self.row(line, place, shown, is_pointed)).collect()
    }

    /// One `span.l`: number, time, text, newline; padded, so that it reads the same without a style sheet.
    fn row(&self, line: &Line, place: Place, shown: Shown, is_pointed: bool) -> Written {
        let (tone, role) = (tone(&shown.text), Role::of(&shown.text));
        let class = match tone {
            Some(Tone::Error) => " err",
            Some(Tone::Warning) => " warn",
            None => "",
        };
        let number = place.number;
        let id = format!("{}-{number}", self.anchor);
        let pad = " ".repeat(5usize.saturating_sub(number.to_string().len()));
        let at = self.clock.at(place.offset);
        let time = match at {
            Some(at) => format!("<time>{} </time>", show::time_of_day(at)),
            None if self.clock.has_times() => "<span class=\"no-time\">         </span>".into(),
            None => String::new(),
        };
        let (page, text) = (self.page, shown.html);
        let mut rest =
            format!("id=\"{id}\">{pad}<a href=\"{page}?l={id}#{id}\">{number}</a> {time}<span>{text}");
        let beyond = shown.text.chars().count() >= crate::terminal::COLUMNS_MAX;
        if (line.left_out > 0 || beyond) && line.number == number {
            let (raw, size) = (self.raw, show::size(line.bytes.len() as u64 + line.left_out));
            // Writing to a string cannot fail.
            let _ = write!(rest, " <a href=\"{raw}\">… this line has {size}, see the raw log</a>");
        }
        rest.push_str("\n</span></span>");
        let head = match role {
            Role::Trace | Role::Group => shown.text.chars().take(REMEMBERED).collect(),
            Role::End | Role::Text => String::new(),
        };
        let (class, is_error) = (format!("{class}{}", role.class()), tone == Some(Tone::Error));
        Written { number, class, rest, role, head, at, is_error, is_pointed }
    }
}

fn pre(lines: &[Written], html: &mut String) {
    html.push_str("<pre>");
    lines.iter().for_each(|line| line.html(html));
    html.push_str("</pre>");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn page(log: &str, pointed: Option<&str>) -> String {
        let mut offset = 0;
        let line = |(at, text): (usize, &str)| {
            offset += text.len() as u64 + 1;
            let start = offset - text.len() as u64 - 1;
            Line { number: at as u64 + 1, offset: start, bytes: text.into(), left_out: 0, is_whole: true }
        };
        let lines: Vec<Line> = log.lines().enumerate().map(line).collect();
        let clock = Clock::default();
        let mut pen =
            Pen { anchor: "task-a", page: "/p", raw: "/raw", clock: &clock, terminal: Terminal::default() };
        pen.write(&lines, pointed.and_then(Pointed::read).as_ref()).0
    }

    fn output(lines: usize) -> String {
        (0..lines).map(|n| format!("line {n}\n")).collect()
    }

    #[test]
    fn long_output_is_folded_unless_it_is_last() {
        let html =
            page(&format!("+ make\n{}+ \"x\"\n{}+ last\n{}", output(20), output(10), output(11)), None);
        let folds: Vec<&str> =
            html.split("<details").skip(1).map(|fold| fold.split('>').next().unwrap()).collect();
        let [first, last] = [
            " class=\"fold\" data-name=\"task-a + make\"",
            " class=\"fold\" data-name=\"task-a + last\" data-pinned open",
        ];
        assert_eq!(folds, [first, last]);
        assert!(
            html.contains("<summary>20 lines<span class=\"vh\"> of + make</span></summary><pre>"),
            "{html}"
        );
    }

    #[test]
    fn an_error_and_a_line_that_is_pointed_at_are_never_folded_away() {
        let log = format!("+ make\n{}error: no\n{}+ last\n", output(20), output(20));
        assert!(page(&log, None).contains("data-name=\"task-a + make\" data-pinned open"));
        let log = format!("+ make\n{}+ last\n", output(20));
        assert!(page(&log, None).contains("data-name=\"task-a + make\">"));
        assert!(page(&log, Some("task-a-5:6")).contains("data-name=\"task-a + make\" data-pinned open"));
        assert!(page(&log, Some("task-b-5")).contains("data-name=\"task-a + make\">"));
    }

    #[test]
    fn a_group_is_a_fold_however_short_it_is() {
        let html = page("::group::Set up\nx\n::endgroup::\nbehind\n", None);
        assert!(
            html.contains("<details class=\"fold g\" data-name=\"task-a ::group::Set up\" data-ended>"),
            "{html}"
        );
    }

    #[test]
    fn a_row_that_a_line_wrote_over_is_marked_for_it() {
        let log = "a 1%\nb 1%\n\x1b[2A\x1b[Ja 9%\nb 9%\nend\n";
        let html = page(log, Some("task-a-4"));
        assert!(html.contains("<span class=\"l sel\" id=\"task-a-2\"") && html.contains("b 9%"), "{html}");
        assert!(
            !html.contains("1%") && !html.contains("id=\"task-a-3\"") && html.contains("id=\"task-a-5\"")
        );
    }

    #[test]
    fn a_hostile_head_stays_text() {
        let html = page(&format!("+ \"><script>x</script>'\n{}", output(20)), None);
        assert!(!html.contains("<script"), "{html}");
    }
}
