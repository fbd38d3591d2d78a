//! A job's page while it runs: the lines as they are shown, and what became of the steps.

use super::lines::Pen;
use super::of_owner;
use crate::Web;
use crate::live::job::{Follower, JobUpdate, Position, Told};
use crate::live::{answer, event, last_event_id};
use crate::log::clock::Clock;
use crate::log::name::Label;
use crate::log::window::{LINE_MAX, Line, line_start};
use crate::pages::addresses;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::Frame;
use crate::pages::show::{self, Status};
use crate::terminal::Terminal;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use ropewalk_core::error::Error;
use ropewalk_core::logs::OpenLog;
use ropewalk_core::port::Landmark;
use ropewalk_http::parts::Address;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Step};
use ropewalk_model::status::StepStatus;
use ropewalk_model::time::Time;
use serde::Serialize;
use tokio::sync::Semaphore;

/// Server-sent events: `lines`, `step`, `job`, and at last `end`. `?from=` is where the page ends; a browser that comes
/// back says itself where it was.
pub(in crate::pages) async fn live(
    State(web): State<Web>,
    frame: Frame,
    Address((owner, number)): Address<(String, JobId)>,
    fields: Fields,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let job = of_owner(&web, &frame.by, &owner, number).await?;
    let mut from: Position = match fields.text("from") {
        Some(text) if !headers.contains_key("last-event-id") => {
            text.parse().map_err(|()| Error::malformed("`from` is no place in this job"))?
        }
        _ => last_event_id(&headers)?,
    };
    let writer = Writer::open(&web, &frame, &job, &mut from).await?;
    let follower = Follower::open(&web, frame.by.clone(), number, from).await?;
    let batches = stream::unfold((follower, writer), async |(mut follower, mut writer)| {
        let news = follower.next().await?;
        let events = writer.write(news).await;
        Some((stream::iter(events), (follower, writer)))
    });
    Ok(answer(&web, frame.by, number, batches.flatten()))
}

/// Whoever draws lines for a watcher.
static DRAWING: Semaphore = Semaphore::const_new(1);

/// New lines of a log; those that are there already are written anew.
#[derive(Serialize)]
struct NewLines<'a> {
    anchor: &'a str,
    html: String,
}

#[derive(Serialize)]
struct NewStep<'a> {
    anchor: &'a str,
    title: &'a str,
    word: &'static str,
    status: String,
    bead: String,
    took: String,
    since: Option<String>,
}

#[derive(Serialize)]
struct NewJob {
    status: &'static str,
}

/// Writes news as a page shows them.
struct Writer {
    web: Web,
    page: String,
    logs: Vec<Scribe>,
    /// When the job began to run.
    started: Option<Time>,
    /// The end of the set-up was told.
    is_set_up: bool,
}

impl Writer {
    /// Sets `from` back to where lines begin.
    async fn open(web: &Web, frame: &Frame, job: &Job, from: &mut Position) -> Result<Writer, Error> {
        let steps = web.farm.steps(&frame.by, job.id).await?;
        let mut logs = vec![];
        let opened = web.farm.open_logs(&frame.by, job.id).await?;
        for label in std::iter::once(Label::setup()).chain(steps.iter().filter_map(Label::of)) {
            let Some(open) = opened.iter().copied().find(|open| open.name() == label.log) else { continue };
            let start = line_start(&web.farm, open, from.of(label.log)).await?;
            from.set(label.log, start.offset);
            let raw = format!("/api/n1/jobs/{}/logs/{}", job.id, label.number());
            logs.push(Scribe {
                label,
                raw,
                start,
                pending: vec![],
                left_out: 0,
                terminal: Terminal::default(),
            });
        }
        let page = addresses::of_job(job);
        Ok(Writer { web: web.clone(), page, logs, started: job.started, is_set_up: false })
    }

    async fn write(&mut self, news: Vec<Told>) -> Vec<Event> {
        let now = self.web.farm.now();
        let mut events = vec![];
        for told in news {
            if let JobUpdate::Step(step) = &told.news {
                events.extend(self.set_up(step).map(|event| event.id(&told.id)));
            }
            let written = match told.news {
                JobUpdate::Log { open, bytes, .. } => self.lines(open, &bytes).await,
                JobUpdate::Step(step) => self.step(&step, now),
                JobUpdate::Job(job) => {
                    self.started = job.started;
                    Some(event("job", &NewJob { status: job.status.into() }))
                }
                JobUpdate::End(job) => Some(event("end", &NewJob { status: job.status.into() })),
            };
            events.extend(written.map(|event| event.id(told.id)));
        }
        events
    }

    async fn lines(&mut self, open: OpenLog, bytes: &[u8]) -> Option<Event> {
        let page = &self.page;
        let scribe = self.logs.iter_mut().find(|scribe| scribe.label.log == open.name())?;
        let (start, end) = scribe.span(bytes);
        // Lines whose times cannot be read now come without.
        let clock = Clock::read(&self.web.farm, open, start, end).await.unwrap_or_default();
        // However many watch, one processor at most draws for them; the others answer.
        let _turn = DRAWING.acquire().await;
        let html = scribe.write(page, &clock, bytes);
        Some(event("lines", &NewLines { anchor: &scribe.label.anchor, html }))
    }

    /// The set-up is over once a step has begun. It has no status of its own that could be told.
    fn set_up(&mut self, step: &Step) -> Option<Event> {
        let begun = step.started.filter(|_| !self.is_set_up)?;
        self.is_set_up = true;
        let (label, status) = (Label::setup(), Status::of("success"));
        let took = self.started.map_or_else(String::new, |started| show::clock(begun.since(started)));
        Some(event(
            "step",
            &NewStep {
                anchor: &label.anchor,
                title: &label.title,
                word: status.word,
                status: status.to_string(),
                bead: status.bead().to_string(),
                took,
                since: None,
            },
        ))
    }

    fn step(&self, step: &Step, now: Time) -> Option<Event> {
        let label = Label::of(step)?;
        let status = Status::of(step.status.into());
        let running = step.status == StepStatus::Running;
        Some(event(
            "step",
            &NewStep {
                anchor: &label.anchor,
                title: &label.title,
                word: status.word,
                status: status.to_string(),
                bead: status.bead().to_string(),
                took: super::pane::took(step, false, now),
                since: step.started.filter(|_| running).map(show::second),
            },
        ))
    }
}

/// Cuts the bytes of a log into lines.
struct Scribe {
    label: Label,
    raw: String,
    /// Where the unfinished line begins.
    start: Landmark,
    /// Of the unfinished line; at most [`LINE_MAX`].
    pending: Vec<u8>,
    /// Bytes of it that are not in `pending`.
    left_out: u64,
    terminal: Terminal,
}

impl Scribe {
    /// From where to where the lines stand that these bytes add to.
    fn span(&self, bytes: &[u8]) -> (u64, u64) {
        let known = self.pending.len() as u64 + self.left_out;
        // Rows above may be written over.
        let first = self.terminal.oldest().map_or(self.start.offset, |place| place.offset);
        (first, self.start.offset + known + bytes.len() as u64)
    }

    /// Finished lines, and the unfinished one as far as it is.
    fn write(&mut self, page: &str, clock: &Clock, bytes: &[u8]) -> String {
        let mut html = String::new();
        let known = self.pending.len();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let kept = text.get(..LINE_MAX.saturating_sub(self.pending.len())).unwrap_or(text);
            self.pending.extend_from_slice(kept);
            self.left_out += (text.len() - kept.len()) as u64;
            if text.len() < part.len() {
                let terminal = std::mem::take(&mut self.terminal);
                let mut pen = self.pen(page, clock, terminal);
                pen.line(&self.line(true), &mut html);
                self.terminal = pen.terminal;
                self.start.offset += self.pending.len() as u64 + self.left_out + 1;
                self.start.newlines += 1;
                self.pending.clear();
                self.left_out = 0;
            }
        }
        // Of a line that is as long as it is shown nothing new comes.
        if !self.pending.is_empty() && (!html.is_empty() || self.pending.len() != known) {
            // It may still change: the terminal stays where the line began.
            self.pen(page, clock, self.terminal.clone()).line(&self.line(false), &mut html);
        }
        html
    }

    fn pen<'a>(&'a self, page: &'a str, clock: &'a Clock, terminal: Terminal) -> Pen<'a> {
        Pen { anchor: &self.label.anchor, page, raw: &self.raw, clock, terminal }
    }

    fn line(&self, is_whole: bool) -> Line {
        Line {
            number: self.start.newlines + 1,
            offset: self.start.offset,
            bytes: self.pending.clone(),
            left_out: self.left_out,
            is_whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scribe() -> Scribe {
        Scribe {
            label: Label::setup(),
            raw: "/raw".into(),
            start: Landmark { offset: 100, newlines: 4 },
            pending: vec![],
            left_out: 0,
            terminal: Terminal::default(),
        }
    }

    #[test]
    fn lines_are_told_as_they_grow() {
        let mut scribe = scribe();
        let first = scribe.write("/p", &Clock::default(), b"\x1b[31mone\ntw");
        assert!(first.contains("id=\"setup-5\"") && first.contains(">one</span>"), "{first}");
        assert!(first.contains("id=\"setup-6\"") && first.contains(">tw</span>"), "{first}");
        let second = scribe.write("/p", &Clock::default(), b"o\x1b[0m\nthree\n");
        assert!(
            second.contains("id=\"setup-6\"") && second.contains("<span class=\"f1\">two</span>"),
            "{second}"
        );
        assert!(second.contains("<span>three\n"), "{second}");
        assert_eq!((scribe.start.newlines, scribe.pending.len()), (7, 0));
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut scribe = scribe();
        for _ in 0..10 {
            assert!(scribe.write("/p", &Clock::default(), &[b'x'; LINE_MAX]).len() < 4 * LINE_MAX);
        }
        assert_eq!((scribe.pending.len(), scribe.left_out), (LINE_MAX, 9 * LINE_MAX as u64));
        assert!(scribe.write("/p", &Clock::default(), b"\n").contains("640 KiB"));
        assert_eq!(scribe.start, Landmark { offset: 101 + 10 * LINE_MAX as u64, newlines: 5 });
    }
}
