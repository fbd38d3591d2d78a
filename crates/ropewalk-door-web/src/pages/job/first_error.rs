//! The line that most likely says why a job failed, with what stands around it.

use crate::Web;
use crate::log::name::Label;
use crate::log::notable::{Tone, tone};
use crate::log::window::{Wanted, read};
use crate::terminal::Terminal;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_model::job::{Job, Step};
use ropewalk_model::status::StepStatus;

/// Bytes of the log's end that are looked through.
const LOOKED_AT: u64 = 256 << 10;
/// Lines around the line.
const BEFORE: usize = 1;
const AFTER: usize = 5;
/// Lines of the end where no line stands out.
const LAST: usize = 6;
/// Characters of a line.
const WIDTH: usize = 300;

/// A few lines of a log.
pub(super) struct FirstError {
    /// `setup` or the step's name.
    pub(super) step: String,
    pub(super) exit: Option<i32>,
    /// `task-test-1454`.
    pub(super) anchor: String,
    /// Texts, and whether it is the line.
    pub(super) lines: Vec<(String, bool)>,
    /// No line stood out: these are the last ones.
    pub(super) is_end: bool,
}

impl FirstError {
    /// Number of the line.
    pub(super) fn line(&self) -> &str {
        self.anchor.rsplit('-').next().unwrap_or_default()
    }
}

/// Looks at the end of the failed step's log, or of the set-up's if no step failed.
pub(super) async fn find(
    web: &Web,
    by: &Caller,
    job: &Job,
    steps: &[Step],
) -> Result<Option<FirstError>, Error> {
    let failed = steps.iter().find(|step| step.status == StepStatus::Failed);
    let label = failed.and_then(Label::of).unwrap_or_else(Label::setup);
    let open = web.farm.open_log(by, job.id, label.log).await?;
    let window = read(&web.farm, open, Wanted::Tail(LOOKED_AT), usize::MAX, LOOKED_AT).await?;
    let mut terminal = Terminal::default();
    let texts: Vec<(u64, String)> =
        window.lines.iter().map(|line| (line.number, terminal.line(&line.bytes).text)).collect();
    let found = texts.iter().position(|(_, text)| tone(text) == Some(Tone::Error));
    let (hit, range) = match found {
        Some(at) => (at, at.saturating_sub(BEFORE)..(at + AFTER).min(texts.len())),
        None => {
            let last = texts.iter().rposition(|(_, text)| !text.trim().is_empty());
            let Some(last) = last else { return Ok(None) };
            (last, (last + 1).saturating_sub(LAST)..last + 1)
        }
    };
    let lines = texts.get(range.clone()).unwrap_or_default().iter().zip(range);
    let lines =
        lines.map(|((_, text), at)| (text.chars().take(WIDTH).collect(), at == hit && found.is_some()));
    let number = texts.get(hit).map_or(1, |(number, _)| *number);
    Ok(Some(FirstError {
        exit: failed.and_then(|step| step.exit),
        anchor: format!("{}-{number}", label.anchor),
        step: label.title,
        lines: lines.collect(),
        is_end: found.is_none(),
    }))
}
