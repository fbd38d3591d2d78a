//! A finished row as HTML.

use super::Shown;
use super::palette::is_readable;
use super::row::{Cell, Row};
use super::sgr::{Colour, Style};
use crate::visible;

/// Writes runs of cells that look the same.
pub(super) fn show(row: &Row) -> Shown {
    let visible: Vec<&Cell> = row.cells.iter().filter(|cell| !cell.style.concealed).collect();
    let mut shown = Shown::default();
    for run in visible.chunk_by(|a, b| a.style == b.style && a.link == b.link) {
        let Some(first) = run.first() else { continue };
        let classes = classes(first.style);
        let address = first.link.and_then(|at| row.links.get(at));
        if let Some(address) = address {
            shown.html.push_str("<a rel=\"nofollow noopener noreferrer\" href=\"");
            shown.html.push_str(&escaped(address));
            shown.html.push_str("\">");
        }
        if !classes.is_empty() {
            shown.html.push_str("<span class=\"");
            shown.html.push_str(&classes);
            shown.html.push_str("\">");
        }
        for cell in run {
            escape(cell.c, shown.text.chars().next_back(), &mut shown.html);
            shown.text.push(cell.c);
        }
        if !classes.is_empty() {
            shown.html.push_str("</span>");
        }
        if address.is_some() {
            shown.html.push_str("</a>");
        }
    }
    shown
}

/// Text as it stands in HTML, also between quotes.
pub fn escaped(text: &str) -> String {
    let (mut html, mut before) = (String::new(), None);
    for c in text.chars() {
        escape(c, before, &mut html);
        before = Some(c);
    }
    html
}

fn escape(c: char, before: Option<char>, to: &mut String) {
    match c {
        '&' => to.push_str("&amp;"),
        '<' => to.push_str("&lt;"),
        '>' => to.push_str("&gt;"),
        '"' => to.push_str("&quot;"),
        '\'' => to.push_str("&#39;"),
        c => visible::push(c, before, to),
    }
}

/// Names of the style sheet: `fN` and `bN` for colours, `tN` by the number of the attribute.
fn classes(style: Style) -> String {
    let (mut ink, mut paper) = (style.ink, style.paper);
    if style.inverse {
        // The page's own colours as the sixteen have them.
        let or = |colour, number| if colour == Colour::Default { Colour::Of256(number) } else { colour };
        (ink, paper) = (or(paper, 0), or(ink, 7));
    }
    let mut names = Vec::new();
    match (ink, paper) {
        // Rather the page's ink than one that cannot be read.
        (Colour::Of256(ink), Colour::Of256(paper)) if !is_readable(ink, paper) => {}
        (Colour::Of256(ink), _) => names.push(format!("f{ink}")),
        _ => {}
    }
    if let Colour::Of256(paper) = paper {
        names.push(format!("b{paper}"));
    }
    let attributes = [
        (style.bold, "t1"),
        (style.dim, "t2"),
        (style.italic, "t3"),
        (style.underlined, "t4"),
        (style.struck, "t9"),
    ];
    names.extend(attributes.iter().filter(|(is, _)| *is).map(|(_, name)| (*name).to_owned()));
    names.join(" ")
}
