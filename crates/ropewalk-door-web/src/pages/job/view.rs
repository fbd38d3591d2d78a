//! What a job's page shows.

use super::first_error::{self, FirstError};
use super::pane::{Pane, Panes};
use crate::Web;
use crate::live::job::Position;
use crate::log::name::{Label, Pointed};
use crate::pages::addresses;
use crate::pages::form::Fields;
use crate::pages::frame::Frame;
use crate::pages::markdown::{self, Note};
use crate::pages::settings::Labels;
use crate::pages::show::{self, Status, When};
use askama::Template;
use ropewalk_core::access;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::port::{Artifact, AttemptSummary};
use ropewalk_model::job::{Job, Step};
use ropewalk_model::status::{Cause, JobStatus, StepStatus};

/// Seconds from one reload to the next, for whoever asks for it.
const REFRESH: [u32; 2] = [5, 30];
/// Steps that the strand shows one by one; of more, so many at the ends and around the one that matters most.
const BEADS: usize = 40;
const AROUND: usize = 4;

#[derive(Template)]
#[template(path = "job.html")]
pub(super) struct JobPage {
    frame: Frame,
    number: i64,
    owner: String,
    address: String,
    title: String,
    crumbs: Vec<(String, String)>,
    status: Status,
    cause: Option<String>,
    message: Option<String>,
    waiting: Option<String>,
    created: When,
    waited: Option<String>,
    ran: Option<String>,
    /// Runs since then.
    since: Option<String>,
    runner: Option<String>,
    note: Option<Note>,
    first_error: Option<FirstError>,
    beads: Vec<Bead>,
    panes: Vec<Pane>,
    artifacts: Vec<File>,
    attempts: Vec<Attempt>,
    image: Option<String>,
    visibility: &'static str,
    /// For whoever may change it.
    settings: Option<Labels>,
    tags: Vec<(String, String)>,
    facts: Vec<(String, String)>,
    is_open: bool,
    is_pending: bool,
    may_change: bool,
    may_cancel: bool,
    may_read: bool,
    refresh: Option<u32>,
    /// The address asks for the times of lines.
    shows_times: bool,
}

/// A step on the strand.
struct Bead {
    name: String,
    anchor: String,
    status: Status,
    words: String,
    is_current: bool,
    is_todo: bool,
    /// Stands for many steps; has a name and words only.
    is_gap: bool,
}

struct File {
    name: String,
    link: String,
    size: String,
    sha256: String,
}

struct Attempt {
    number: i32,
    runner: String,
    words: String,
    took: Option<String>,
    status: Status,
}

impl JobPage {
    /// Where the panes end: there the live page goes on.
    fn position(&self) -> Position {
        let mut position = Position::default();
        self.panes.iter().for_each(|pane| position.set(pane.label.log, pane.next));
        position
    }

    /// Whether there are times of lines, or may be.
    fn has_times(&self) -> bool {
        self.is_open || self.panes.iter().any(|pane| pane.has_times)
    }

    /// The log that a search without script looks through.
    fn open_pane(&self) -> &str {
        self.panes.iter().find(|pane| pane.is_open).map_or("setup", |pane| &pane.label.anchor)
    }
}

pub(super) async fn read(web: &Web, mut frame: Frame, job: Job, fields: &Fields) -> Result<JobPage, Error> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let steps = farm.steps(by, job.id).await?;
    let attempts = farm.attempts(by, job.id).await?;
    let artifacts = farm.artifacts(by, job.id).await?;
    let waiting = match job.status {
        JobStatus::Queued | JobStatus::Pending => show::waiting(&farm.waiting(by, job.id).await?, now),
        _ => None,
    };
    let may_read = match access::read(by) {
        Ok(()) => true,
        Err(error) if error.kind == Kind::Forbidden => false,
        Err(error) => return Err(error),
    };
    let pointed = fields.text("l").and_then(Pointed::read);
    let has_failed = matches!(job.status, JobStatus::Failed | JobStatus::Timeout);
    let (panes, first_error) = if may_read {
        let panes = Panes {
            web,
            by,
            job: &job,
            steps: &steps,
            pointed: pointed.as_ref(),
            is_first_attempt: attempts.len() <= 1,
            now,
        };
        let first = if has_failed { first_error::find(web, by, &job, &steps).await? } else { None };
        (panes.read().await?, first)
    } else {
        (vec![], None)
    };
    // Step and exit code stand above the lines.
    let is_explained = first_error.is_some() && job.cause == Some(Cause::StepFailed);
    let is_open = !job.status.is_final();
    let refresh = fields.number("refresh").filter(|seconds| is_open && REFRESH.contains(seconds));
    let last = attempts.last();
    let may_change = access::change(by, &job).is_ok();
    let may_cancel = is_open && access::cancel(by, &job).is_ok();
    frame.favicon = match job.status {
        JobStatus::Success => "favicon-success.svg",
        JobStatus::Failed | JobStatus::Timeout | JobStatus::Cancelled => "favicon-failed.svg",
        JobStatus::Running => "favicon-running.svg",
        JobStatus::Queued | JobStatus::Pending => "favicon-queued.svg",
    };
    let ended = job.ended.unwrap_or(now);
    let until = job.started.or(job.ended).unwrap_or(now);
    Ok(JobPage {
        number: job.id.0,
        owner: job.owner_name.clone(),
        address: addresses::of_job(&job),
        title: show::title(&job),
        crumbs: crumbs(&job),
        status: Status::of(job.status.into()),
        cause: job.cause.map(show::cause),
        message: last.and_then(|last| last.message.clone()).filter(|_| has_failed && !is_explained),
        waiting,
        created: When::new(job.created, now),
        waited: job.queued.map(|queued| show::span(until.since(queued))),
        ran: job.started.map(|started| show::span(ended.since(started))),
        since: job.started.filter(|_| is_open).map(show::second),
        runner: job.runner.clone(),
        note: job.note.as_deref().map(markdown::render),
        first_error,
        beads: beads(&steps, &panes),
        panes,
        artifacts: artifacts.iter().map(|artifact| file(&job, artifact)).collect(),
        facts: last.map(|last| last.facts.iter().map(fact).collect()).unwrap_or_default(),
        attempts: attempts.iter().map(attempt).collect(),
        image: job.image.clone(),
        visibility: show::seen_by(job.visibility),
        settings: may_change.then(|| Labels::of(&job, by)),
        tags: tags(&job),
        is_open,
        is_pending: job.status == JobStatus::Pending,
        may_change,
        may_cancel,
        may_read,
        refresh,
        shows_times: fields.text("time") == Some("1"),
        frame,
    })
}

/// The owner, then each tag with what stands before it.
fn crumbs(job: &Job) -> Vec<(String, String)> {
    addresses::trail(&job.owner_name, job.tags.iter().map(String::as_str))
}

fn tags(job: &Job) -> Vec<(String, String)> {
    crumbs(job).split_off(1)
}

fn beads(steps: &[Step], panes: &[Pane]) -> Vec<Bead> {
    let of_step = |step: &Step| {
        let label = Label::of(step)?;
        let pane = panes.iter().find(|pane| pane.label == label);
        Some(Bead {
            is_current: pane.is_some_and(|pane| pane.is_open),
            words: pane.map(|pane| pane.took.clone()).unwrap_or_default(),
            is_todo: matches!(step.status, StepStatus::Pending | StepStatus::Skipped),
            is_gap: false,
            status: Status::of(step.status.into()),
            name: label.title,
            anchor: label.anchor,
        })
    };
    let setup = panes.iter().find(|pane| pane.label == Label::setup()).map(|pane| Bead {
        name: "setup".into(),
        anchor: "setup".into(),
        status: pane.status,
        words: pane.took.clone(),
        is_current: pane.is_open,
        is_todo: pane.status.word == "pending",
        is_gap: false,
    });
    shortened(setup.into_iter().chain(steps.iter().filter_map(of_step)).collect())
}

/// Of very many steps those at the ends and around the one that matters most.
fn shortened(beads: Vec<Bead>) -> Vec<Bead> {
    let (count, current) = (beads.len(), beads.iter().position(|bead| bead.is_current).unwrap_or(0));
    if count <= BEADS {
        return beads;
    }
    let mut strand = vec![];
    let mut left_out = 0;
    for (at, bead) in beads.into_iter().enumerate() {
        let is_shown = at < AROUND || at + AROUND >= count || at.abs_diff(current) < AROUND;
        if is_shown && left_out > 0 {
            strand.push(gap(std::mem::take(&mut left_out)));
        }
        if is_shown { strand.push(bead) } else { left_out += 1 }
    }
    strand
}

fn gap(count: u64) -> Bead {
    Bead {
        name: format!("{} more", show::number(count)),
        anchor: String::new(),
        status: Status::of("skipped"),
        words: "steps".into(),
        is_current: false,
        is_todo: true,
        is_gap: true,
    }
}

fn file(job: &Job, artifact: &Artifact) -> File {
    File {
        name: artifact.path.rsplit('/').next().unwrap_or(&artifact.path).to_string(),
        link: format!("/api/n1/jobs/{}/artifacts/{}", job.id, artifact.id),
        size: show::size(artifact.size),
        sha256: artifact.sha256.clone(),
    }
}

/// A fact's name as people say it: `image.digest` is the image digest.
fn fact((name, value): &(String, String)) -> (String, String) {
    let words = name.replace(['.', '-', '_'], " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    (first + letters.as_str(), value.clone())
}

fn attempt(attempt: &AttemptSummary) -> Attempt {
    let word = match (attempt.ended, attempt.cause) {
        (None, _) => "running",
        (Some(_), None) => "success",
        (Some(_), Some(cause)) => cause.job_status().into(),
    };
    Attempt {
        number: attempt.number,
        runner: attempt.runner.clone(),
        words: attempt.cause.map_or_else(|| word.to_string(), show::cause),
        took: attempt.ended.map(|ended| show::clock(ended.since(attempt.leased))),
        status: Status::of(word),
    }
}
