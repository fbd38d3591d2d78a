//! One log on a page of its own: any part of it, and search through all of it.

use super::addresses;
use super::failure::Failure;
use super::form::Fields;
use super::frame::{Frame, page};
use super::job::lines::{Lines, Pen};
use super::job::of_owner;
use super::show;
use crate::Web;
use crate::log::clock::Clock;
use crate::log::name::{Label, Pointed};
use crate::log::search::{self, HITS_MAX};
use crate::log::window::{Wanted, read};
use crate::terminal::Terminal;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::error::Error;
use ropewalk_core::port::Landmark;
use ropewalk_http::parts::Address;
use ropewalk_model::ids::JobId;

/// Lines of one page, and bytes.
const LINES: usize = 2000;
const BYTES: u64 = 512 << 10;
/// Lines before the one that is pointed at.
const BEFORE: u64 = 100;

#[derive(Template)]
#[template(path = "step.html")]
struct StepPage {
    frame: Frame,
    job: i64,
    job_title: String,
    job_address: String,
    step: String,
    anchor: String,
    address: String,
    raw: String,
    lines: Lines,
    has_lines: bool,
    has_times: bool,
    /// The address asks for the times of lines.
    shows_times: bool,
    first: String,
    last: String,
    total: String,
    size: String,
    earlier: Option<String>,
    later: Option<String>,
    start: Option<String>,
    end: Option<String>,
    needle: String,
    search: Option<Search>,
}

/// What was found.
struct Search {
    hits: Vec<(String, String, String)>,
    words: String,
    next: Option<String>,
}

/// `?from=N` begins with line N; `?l=ANCHOR-N` has line N on it; `?q=TEXT` searches; without any of them the end is
/// shown. `?time=1` shows when lines came.
pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address((owner, number, log)): Address<(String, JobId, String)>,
    fields: Fields,
) -> Result<Response, Failure> {
    let job = of_owner(&web, &frame.by, &owner, number).await?;
    let steps = web.farm.steps(&frame.by, number).await?;
    let labels: Vec<Label> =
        std::iter::once(Label::setup()).chain(steps.iter().filter_map(Label::of)).collect();
    // A step may be called like the anchor of another one.
    let anchored = labels.iter().position(|label| label.anchor == log);
    let at = anchored.or_else(|| labels.iter().position(|label| label.title == log));
    let label = at.and_then(|at| labels.into_iter().nth(at));
    let label = label.ok_or_else(|| Error::missing(format_args!("log {log:?} of job {number}")))?;
    let open = web.farm.open_log(&frame.by, number, label.log).await?;
    let pointed = fields.text("l").and_then(Pointed::read).filter(|pointed| pointed.anchor == label.anchor);
    let wanted = match (&pointed, fields.number::<u64>("from")) {
        (Some(pointed), _) => Wanted::From(pointed.lines.start().saturating_sub(BEFORE).max(1)),
        (None, Some(from)) => Wanted::From(from.max(1)),
        (None, None) => Wanted::Tail(BYTES),
    };
    let window = read(&web.farm, open, wanted, LINES, BYTES).await?;
    let address = format!("{}/log/{}", addresses::of_job(&job), label.anchor);
    let raw = format!("/api/n1/jobs/{number}/logs/{}", label.number());
    let clock = Clock::of(&web.farm, open, &window).await?;
    let terminal = Terminal::default();
    let mut pen = Pen { anchor: &label.anchor, page: &address, raw: &raw, clock: &clock, terminal };
    let lines = pen.write(&window.lines, pointed.as_ref());
    let first = window.lines.first().map_or(0, |line| line.number);
    let last = window.lines.last().map_or(0, |line| line.number);
    let total = window.total().max(last);
    let shows_times = fields.text("time") == Some("1");
    let time = if shows_times { "&time=1" } else { "" };
    let from = |line: u64| format!("{address}?from={line}{time}");
    let needle = fields.text("q").unwrap_or_default().to_string();
    let search = match needle.as_str() {
        "" => None,
        needle => Some(find(&web, open, needle, &fields, &address, &label).await?),
    };
    let step_page = StepPage {
        job: number.0,
        job_title: show::title(&job),
        job_address: addresses::of_job(&job),
        has_lines: !window.lines.is_empty(),
        has_times: clock.has_times(),
        shows_times,
        first: show::number(first),
        last: show::number(last),
        total: show::number(total),
        size: show::size(window.size),
        earlier: (first > 1).then(|| from(first.saturating_sub(LINES as u64).max(1))),
        start: (first > 1).then(|| from(1)),
        later: (last < total).then(|| from(last + 1)),
        end: (last < total).then(|| if shows_times { format!("{address}?time=1") } else { address.clone() }),
        step: label.title.clone(),
        anchor: label.anchor.clone(),
        frame: frame.at("jobs"),
        lines,
        needle,
        search,
        raw,
        address,
    };
    Ok(page(&step_page))
}

async fn find(
    web: &Web,
    open: ropewalk_core::logs::OpenLog,
    needle: &str,
    fields: &Fields,
    address: &str,
    label: &Label,
) -> Result<Search, Error> {
    // What a link says about newlines before a place is believed: who changes it gets wrong numbers, nothing else.
    let start = Landmark {
        offset: fields.number("at").unwrap_or(0),
        newlines: fields.number::<u32>("n").map_or(0, u64::from),
    };
    let found = search::search(&web.farm, open, needle, start).await?;
    let hits: Vec<_> = found
        .lines
        .into_iter()
        .map(|(number, text)| {
            let id = format!("{}-{number}", label.anchor);
            let text: String = text.chars().take(200).collect();
            (show::number(number), format!("{address}?l={id}#{id}"), text)
        })
        .collect();
    let next = found.next.map(|next| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("q", needle).append_pair("at", &next.offset.to_string());
        pairs.append_pair("n", &next.newlines.to_string());
        format!("{address}?{}", pairs.finish())
    });
    let words = match (hits.len(), start.offset, &next) {
        (0, 0, None) => "No line of this log holds it.".into(),
        (0, _, None) => "No further line holds it.".into(),
        (0, _, Some(_)) => "No line of this part holds it.".into(),
        (1, _, None) => "1 line holds it.".into(),
        (HITS_MAX, _, Some(_)) => format!("{HITS_MAX} lines hold it, and maybe more."),
        (n, _, None) => format!("{n} lines hold it."),
        (n, _, Some(_)) => format!("{n} lines of this part hold it."),
    };
    Ok(Search { hits, words, next })
}
