//! Small things as pages write them: statuses, times, sizes.

use super::{assets, markdown};
use askama::filters::HtmlSafe;
use ropewalk_core::port::Waiting;
use ropewalk_model::job::{Job, Visibility};
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use std::fmt;
use std::time::Duration;

/// A picture of the sheet of icons; without meaning for those who do not see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Icon {
    pub(super) name: &'static str,
    pub(super) size: u32,
    pub(super) class: Option<&'static str>,
}

impl Icon {
    /// The arrow of something that can be folded.
    pub(crate) fn chevron(self) -> Icon {
        Icon { class: Some("chev"), ..self }
    }
}

impl HtmlSafe for Icon {}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Icon { name, size, class } = self;
        let folder = assets::folder();
        let class = class.map(|class| format!("class=\"{class}\" ")).unwrap_or_default();
        write!(
            f,
            r##"<svg {class}width="{size}" height="{size}" aria-hidden="true" focusable="false"><use href="{folder}icons.svg#i-{name}"/></svg>"##
        )
    }
}

/// A status as glyph, word and colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) word: &'static str,
    size: u32,
    class: &'static str,
    is_glyph: bool,
}

/// All words that have a glyph.
const WORDS: [&str; 8] =
    ["success", "failed", "running", "queued", "pending", "timeout", "cancelled", "skipped"];

impl Status {
    pub(crate) fn of(word: &str) -> Status {
        let word = WORDS.iter().find(|known| **known == word).copied().unwrap_or("pending");
        Status { word, size: 16, class: "", is_glyph: false }
    }

    /// For headings.
    pub(crate) fn large(self) -> Status {
        Status { size: 22, class: " st-lg", ..self }
    }

    /// For lists whose words stand under one another.
    pub(crate) fn aligned(self) -> Status {
        Status { class: " st-w", ..self }
    }

    /// Where only a glyph fits; the word is there for those who do not see it.
    pub(crate) fn glyph(self) -> Status {
        Status { is_glyph: true, ..self }
    }

    /// A glyph for the strand of steps.
    pub(crate) fn bead(self) -> Status {
        Status { is_glyph: true, size: 20, ..self }
    }

    /// In colour without words around it.
    pub(crate) fn class(self) -> String {
        format!("st-{}", self.word)
    }
}

impl HtmlSafe for Status {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { word, size, class, is_glyph } = self;
        let icon = Icon { name: word, size: *size, class: None };
        let word_shown = if *is_glyph { format!("<span class=\"vh\">{word}</span>") } else { (*word).into() };
        write!(f, "<span class=\"st st-{word}{class}\">{icon} {word_shown}</span>")
    }
}

/// A point in time, exact for machines and as people say it.
#[derive(Clone, Debug)]
pub(crate) struct When {
    at: Time,
    now: Time,
}

impl When {
    pub(crate) fn new(at: Time, now: Time) -> When {
        When { at, now }
    }
}

impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = second(self.at);
        write!(f, "<time datetime=\"{exact}\" title=\"{exact}\">{}</time>", ago(self.at, self.now))
    }
}

/// RFC 3339 without fractions.
pub(crate) fn second(at: Time) -> String {
    Time(at.0 - at.0.rem_euclid(1_000_000)).to_string()
}

/// `09:08:07`, in UTC.
pub(crate) fn time_of_day(at: Time) -> String {
    let seconds = at.0.div_euclid(1_000_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `12 min ago`, `in 3 days`.
pub(crate) fn ago(at: Time, now: Time) -> String {
    if at > now {
        return match about(at.since(now)) {
            text if text == "now" => text,
            text => format!("in {text}"),
        };
    }
    match about(now.since(at)) {
        text if text == "now" => "just now".into(),
        text => format!("{text} ago"),
    }
}

fn about(span: Duration) -> String {
    let seconds = span.as_secs();
    let (n, word) = match seconds {
        0..5 => return "now".into(),
        5..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{n} {word}")
}

/// `0:08`, `1:02`, `1:02:03`: for columns.
pub(crate) fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// `3 s`, `2 min 11 s`: for sentences.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// `48 KiB`, `1.1 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = "KiB";
    for next in units.iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// `1,596`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a job is called: its tags, else the first line of its note, else its image.
pub(crate) fn title(job: &Job) -> String {
    if !job.tags.is_empty() {
        return job.tags.join("/");
    }
    let first = job.note.as_deref().and_then(|note| note.lines().find(|line| !line.trim().is_empty()));
    match (first, &job.image) {
        (Some(line), _) => markdown::words(line).chars().take(120).collect(),
        (None, Some(image)) => format!("job on {image}"),
        (None, None) => "job".into(),
    }
}

/// The second line of a job in lists: the note, if the title is not the note already.
pub(crate) fn subtitle(job: &Job) -> Option<String> {
    let note = job.note.as_deref().filter(|_| !job.tags.is_empty())?;
    let first = note.lines().find(|line| !line.trim().is_empty())?;
    Some(markdown::words(first).chars().take(200).collect())
}

/// Who may see a job.
pub(crate) fn seen_by(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "everybody",
        Visibility::Unlisted => "whoever has the link",
        Visibility::Private => "its owner only",
    }
}

/// Why a job did not succeed, in words.
pub(crate) fn cause(cause: Cause) -> String {
    cause.to_string().replace('-', " ")
}

/// An address elsewhere that somebody wrote, if a browser may be sent there.
pub(crate) fn web_address(text: &str) -> Option<&str> {
    let is_web = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    is_web.then_some(text)
}

/// Why a job waits, in a sentence; none if it does not.
pub(crate) fn waiting(waiting: &Waiting, now: Time) -> Option<String> {
    Some(match waiting {
        Waiting::No => return None,
        Waiting::Held { until: Some(until) } => format!("It starts {}.", ago(*until, now)),
        Waiting::Held { until: None } => "It was submitted to be started later.".into(),
        Waiting::Needs { count } => format!("It needs {count} other builds, which have not succeeded yet."),
        Waiting::NoRunner { requirement } => match &requirement.arch {
            Some(arch) => format!("No runner is here that builds for {arch}."),
            None => "No runner is here that could take it.".into(),
        },
        Waiting::Busy { ready, runners } if *ready > 1 => {
            format!("{ready} builds wait for {}.", runners.join(", "))
        }
        Waiting::Busy { runners, .. } => format!("It is the next one for {}.", runners.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_in_utc() {
        assert_eq!(time_of_day(Time(86_400_000_000 * 3 - 1)), "23:59:59");
        assert_eq!(time_of_day(Time(3_661_000_000)), "01:01:01");
    }

    #[test]
    fn times_are_said_as_people_do() {
        let now = Time(1_782_900_000_000_000);
        let before = |seconds| now.minus(Duration::from_secs(seconds));
        assert_eq!(ago(now, now), "just now");
        assert_eq!(ago(before(59), now), "59 s ago");
        assert_eq!(ago(before(721), now), "12 min ago");
        assert_eq!(ago(before(7200), now), "2 h ago");
        assert_eq!(ago(before(400_000), now), "4 days ago");
        assert_eq!(ago(now.plus(Duration::from_secs(90)), now), "in 1 min");
        assert_eq!(second(now.plus(Duration::from_millis(1))), "2026-07-01T10:00:00Z");
    }

    #[test]
    fn spans_and_sizes_are_short() {
        let clock = |seconds| clock(Duration::from_secs(seconds));
        assert_eq!([clock(8), clock(62), clock(3723)], ["0:08", "1:02", "1:02:03"]);
        let span = |seconds| span(Duration::from_secs(seconds));
        assert_eq!([span(3), span(131), span(3720)], ["3 s", "2 min 11 s", "1 h 2 min"]);
        assert_eq!([size(0), size(1023), size(1024), size(49_152)], ["0 B", "1023 B", "1.0 KiB", "48 KiB"]);
        assert_eq!([size(1_153_434), size(1 << 30), size(u64::MAX)], ["1.1 MiB", "1.0 GiB", "1677721 TiB"]);
        assert_eq!(
            [number(0), number(999), number(1596), number(1_234_567)],
            ["0", "999", "1,596", "1,234,567"]
        );
    }

    #[test]
    fn no_address_elsewhere_is_a_script() {
        assert_eq!(web_address("https://example.org/"), Some("https://example.org/"));
        assert!(web_address("javascript:alert(1)").is_none() && web_address("/x").is_none());
    }

    #[test]
    fn a_status_is_glyph_and_word() {
        let html = Status::of("failed").to_string();
        assert!(html.contains("#i-failed") && html.ends_with("> failed</span>"), "{html}");
        assert!(Status::of("failed").glyph().to_string().contains("<span class=\"vh\">failed</span>"));
    }
}
