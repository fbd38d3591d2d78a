//! The logs of a job's page: a part of each, the one that matters most opened.

use super::lines::{Lines, Pen};
use crate::Web;
use crate::log::clock::Clock;
use crate::log::name::{Label, Pointed};
use crate::log::window::{Wanted, Window, read};
use crate::pages::addresses;
use crate::pages::show::{self, Status};
use crate::terminal::Terminal;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::OpenLog;
use ropewalk_model::job::{Job, Step};
use ropewalk_model::status::StepStatus;
use ropewalk_model::time::Time;

/// Bytes of a log that matters, and of one that does not; all together.
const OPEN_BYTES: u64 = 128 << 10;
const CLOSED_BYTES: u64 = 16 << 10;
const PAGE_BYTES: u64 = 1 << 20;
/// Lines of one log.
const LINES: usize = 3000;
/// Logs on either side of the one that matters most that are shown; of others there is only a link.
const NEAR: usize = 40;
/// Lines before those that the address points at.
const BEFORE: u64 = 50;

/// One log on the page.
pub(super) struct Pane {
    pub(super) label: Label,
    pub(super) status: Status,
    /// How long it took, or what became of it.
    pub(super) took: String,
    /// Runs since then.
    pub(super) since: Option<String>,
    pub(super) is_open: bool,
    pub(super) exit: Option<i32>,
    pub(super) lines: Lines,
    pub(super) has_lines: bool,
    /// It has lines, of which none is shown here.
    pub(super) is_left_out: bool,
    pub(super) has_times: bool,
    /// Lines before the first and after the last one that are not shown.
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Address of the log on a page of its own.
    pub(super) page: String,
    pub(super) raw: String,
    /// Where the first line that is not shown begins, or the last one if it may still grow.
    pub(super) next: u64,
}

/// What the panes of a job are made from.
pub(super) struct Panes<'a> {
    pub(super) web: &'a Web,
    pub(super) by: &'a Caller,
    pub(super) job: &'a Job,
    pub(super) steps: &'a [Step],
    pub(super) pointed: Option<&'a Pointed>,
    /// What a step has not begun to print, no earlier attempt did either.
    pub(super) is_first_attempt: bool,
    pub(super) now: Time,
}

impl Panes<'_> {
    /// The set-up's and each step's.
    pub(super) async fn read(&self) -> Result<Vec<Pane>, Error> {
        let mut panes = vec![];
        let mut left = PAGE_BYTES;
        let shown = self.most_important();
        let logs = self.web.farm.open_logs(self.by, self.job.id).await?;
        let labels = std::iter::once((Some(Label::setup()), None));
        let labels = labels.chain(self.steps.iter().map(|step| (Label::of(step), Some(step))));
        for (at, (label, step)) in labels.enumerate() {
            let Some(label) = label else { continue };
            let Some(open) = logs.iter().copied().find(|open| open.name() == label.log) else { continue };
            let is_pointed = self.pointed.is_some_and(|pointed| pointed.anchor == label.anchor);
            let is_open = is_pointed || (self.pointed.is_none() && at == shown);
            let bytes = if is_open { OPEN_BYTES } else { CLOSED_BYTES }.min(left);
            let is_near = is_open || at.abs_diff(shown) <= NEAR;
            let bytes = if is_near { bytes } else { 0 };
            let pane = self.pane(label, step, open, is_open, bytes).await?;
            left = left.saturating_sub(pane.lines.0.len() as u64 / 4);
            panes.push(pane);
        }
        Ok(panes)
    }

    /// Position of the log that answers the first question: of the failed step, of the running one, else of the last
    /// one that ran; 0 is the set-up's.
    fn most_important(&self) -> usize {
        let is = |status: StepStatus| self.steps.iter().rposition(|step| step.status == status);
        let at = is(StepStatus::Failed).or(is(StepStatus::Running)).or(is(StepStatus::Success));
        at.map_or(0, |at| at + 1)
    }

    async fn pane(
        &self,
        label: Label,
        step: Option<&Step>,
        open: OpenLog,
        is_open: bool,
        bytes: u64,
    ) -> Result<Pane, Error> {
        let page = format!("{}/log/{}", addresses::of_job(self.job), label.anchor);
        let raw = format!("/api/n1/jobs/{}/logs/{}", self.job.id, label.number());
        let pointed = self.pointed.filter(|pointed| pointed.anchor == label.anchor);
        let wanted = match pointed {
            Some(pointed) => Wanted::From(pointed.lines.start().saturating_sub(BEFORE).max(1)),
            None => Wanted::Tail(bytes),
        };
        let window = match (bytes, step) {
            // Nothing was printed there by any attempt.
            (_, Some(step)) if self.is_first_attempt && step.started.is_none() => Window::default(),
            (0, _) => unread(&self.web.farm, open).await?,
            _ => read(&self.web.farm, open, wanted, LINES, bytes).await?,
        };
        let clock = Clock::of(&self.web.farm, open, &window).await?;
        let job_page = addresses::of_job(self.job);
        let terminal = Terminal::default();
        let mut pen = Pen { anchor: &label.anchor, page: &job_page, raw: &raw, clock: &clock, terminal };
        let lines = pen.write(&window.lines, pointed);
        let (status, took, since) = match step {
            Some(step) => state(step, self.job.status.is_final(), self.now),
            None => self.setup_state(),
        };
        Ok(Pane {
            status,
            took,
            since,
            is_open,
            exit: step.and_then(|step| step.exit).filter(|exit| *exit != 0),
            has_lines: window.size > 0,
            is_left_out: window.size > 0 && window.lines.is_empty(),
            has_times: clock.has_times(),
            lines,
            before: before(&window),
            after: after(&window),
            next: next(&window),
            page,
            raw,
            label,
        })
    }

    /// What happened around the steps has no status of its own.
    fn setup_state(&self) -> (Status, String, Option<String>) {
        let has_begun = self.steps.iter().any(|step| step.started.is_some());
        let word = match (self.job.status.is_final(), has_begun) {
            (_, true) => "success",
            (true, false) => self.job.status.into(),
            (false, false) if self.job.started.is_some() => "running",
            (false, false) => "pending",
        };
        let first = self.steps.iter().filter_map(|step| step.started).min();
        let took = match (self.job.started, first) {
            (Some(started), Some(first)) => show::clock(first.since(started)),
            _ => String::new(),
        };
        let since = self.job.started.filter(|_| word == "running").map(show::second);
        (Status::of(word), took, since)
    }
}

/// A log of which only the end is known.
async fn unread(farm: &Farm, open: OpenLog) -> Result<Window, Error> {
    let now = farm.read_log(open, 0, 0).await?;
    Ok(Window { end: now.size, size: now.size, is_complete: now.complete, ..Window::default() })
}

fn state(step: &Step, is_over: bool, now: Time) -> (Status, String, Option<String>) {
    let since = step.started.filter(|_| step.status == StepStatus::Running).map(show::second);
    (Status::of(step.status.into()), took(step, is_over, now), since)
}

/// How long a step took, or why it took no time; of a job that is over or not.
pub(super) fn took(step: &Step, is_over: bool, now: Time) -> String {
    match (step.status, step.started) {
        (StepStatus::Pending, _) if is_over => "not run".into(),
        (StepStatus::Pending, _) => "not yet".into(),
        (StepStatus::Skipped, _) => "skipped".into(),
        (_, Some(started)) => show::clock(step.ended.unwrap_or(now).since(started)),
        (_, None) => String::new(),
    }
}

fn before(window: &Window) -> Option<String> {
    let first = window.lines.first()?.number;
    (first > 1).then(|| show::number(first - 1))
}

fn after(window: &Window) -> Option<String> {
    let last = window.lines.last()?.number;
    let rest = window.newlines.saturating_sub(last);
    (rest > 0).then(|| show::number(rest))
}

fn next(window: &Window) -> u64 {
    match window.lines.last() {
        Some(last) if !last.is_whole && !window.is_complete => last.offset,
        _ => window.end,
    }
}
