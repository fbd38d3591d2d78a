//! Submitting a manifest, a new one or that of an earlier job.

use super::addresses;
use super::failure::Failure;
use super::form::{Fields, Sent};
use super::frame::{Frame, answer, page};
use super::{settings, show};
use crate::Web;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::submit::Request;
use ropewalk_http::parts::Address;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Visibility};
use ropewalk_model::manifest::{Manifest, ManifestLimits, Problem, check_with, parse};
use ropewalk_model::status::JobStatus;
use std::fmt::Write;

/// Pixels of a line of the editor, and above the first one.
const LINE: usize = 20;
const ABOVE: usize = 8;
/// Lines that the editor numbers.
const NUMBERED: usize = 500;

/// A manifest that runs everywhere.
pub(super) const EXAMPLE: &str = "image: host\ntasks:\n  - greet: |\n      echo \"Hello from $(uname -n)\"\n  - count: |\n      for n in 1 2 3 4 5; do echo \"step $n\"; sleep 1; done\n";

#[derive(Template)]
#[template(path = "submit.html")]
struct SubmitPage {
    frame: Frame,
    /// The job that is submitted again.
    origin: Option<(i64, String)>,
    form: Draft,
    errors: Vec<Lint>,
    remarks: Vec<Lint>,
    /// What is wrong beside the manifest.
    problem: Option<String>,
    plan: Option<Outline>,
    limit: String,
}

/// What the form holds.
struct Draft {
    manifest: String,
    note: String,
    tags: String,
    visibility: Visibility,
    secrets: bool,
}

impl SubmitPage {
    /// A manifest for whoever has none yet.
    fn example(&self) -> Option<&'static str> {
        self.form.manifest.is_empty().then_some(EXAMPLE)
    }
}

impl Draft {
    fn is(&self, word: &str) -> bool {
        self.visibility.to_string() == word
    }

    /// Who sees it when nobody else may.
    fn whom(&self) -> &'static str {
        "me"
    }

    fn rows(&self) -> usize {
        self.manifest.lines().count().clamp(18, 60) + 2
    }
}

/// Something that is wrong with the manifest.
struct Lint {
    line: usize,
    column: usize,
    message: String,
    hint: String,
    text: String,
    /// Where its line begins in the editor.
    top: Option<usize>,
}

/// What would run.
struct Outline {
    steps: Vec<String>,
    facts: Vec<(&'static str, String)>,
}

/// `?manifest=`, `?note=`, `?tags=` and `?visibility=` fill the form.
pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    access::owner(&frame.by)?;
    let draft = read(&fields, Visibility::Unlisted)?;
    let is_filled = !draft.manifest.is_empty();
    Ok(page(&sheet(&web, frame.at("submit"), None, draft, None, is_filled)))
}

/// `go=check` only says what is wrong and what would run; everything else submits.
pub(super) async fn submit(
    State(web): State<Web>,
    frame: Frame,
    Sent(fields): Sent,
) -> Result<Response, Failure> {
    let draft = read(&fields, Visibility::Unlisted)?;
    let frame = frame.at("submit");
    if fields.get("go") == Some("check") {
        return Ok(page(&sheet(&web, frame, None, draft, None, true)));
    }
    let request = Request {
        manifest: draft.manifest.clone(),
        note: Some(draft.note.clone()).filter(|note| !note.trim().is_empty()),
        tags: settings::tags(&draft.tags),
        visibility: draft.visibility,
        secrets: if draft.secrets { None } else { Some(false) },
        execute: fields.get("go") != Some("later"),
    };
    match web.farm.submit(&frame.by, request).await {
        Ok(job) => Ok(Redirect::to(&addresses::of_job(&job)).into_response()),
        // What the person wrote is not lost.
        Err(error) if matches!(error.kind, Kind::Malformed | Kind::Forbidden | Kind::TooMany) => {
            let status = match error.kind {
                Kind::Malformed => StatusCode::BAD_REQUEST,
                Kind::Forbidden => StatusCode::FORBIDDEN,
                _ => StatusCode::TOO_MANY_REQUESTS,
            };
            let problem = error.problems.is_empty().then_some(error.message);
            Ok(answer(status, &sheet(&web, frame, None, draft, problem, true)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The form with the manifest of an earlier job.
pub(super) async fn again(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<JobId>,
) -> Result<Response, Failure> {
    access::owner(&frame.by)?;
    let job = web.farm.job(&frame.by, number).await?;
    let manifest = web.farm.manifest(&frame.by, number).await?;
    let note = job.note.clone().unwrap_or_default();
    let is_marked = note.contains('\n') || note.is_empty() || note.ends_with("(resubmitted)");
    let draft = Draft {
        secrets: may_have_secrets(&frame.by, &job, &manifest),
        manifest,
        note: if is_marked { note } else { format!("{note} (resubmitted)") },
        tags: job.tags.join("/"),
        visibility: job.visibility,
    };
    let origin = Some((job.id.0, addresses::of_job(&job)));
    Ok(page(&sheet(&web, frame.at("submit"), origin, draft, None, true)))
}

/// The same manifest, tags and visibility once more, without a look at the form.
pub(super) async fn resubmit(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<JobId>,
    Sent(_): Sent,
) -> Result<Response, Failure> {
    let job = web.farm.job(&frame.by, number).await?;
    let note = format!("Resubmission of build [#{}]({})", job.id, addresses::of_job(&job));
    let manifest = web.farm.manifest(&frame.by, number).await?;
    let secrets = if may_have_secrets(&frame.by, &job, &manifest) { None } else { Some(false) };
    let request = Request {
        manifest,
        note: Some(note),
        tags: job.tags,
        visibility: job.visibility,
        secrets,
        execute: job.status != JobStatus::Pending,
    };
    let again = web.farm.submit(&frame.by, request).await?;
    Ok(Redirect::to(&addresses::of_job(&again)).into_response())
}

/// Whether a copy of a job may have the secrets that its manifest names: of the caller's own job, unless that one was
/// refused them. Somebody else's manifest would do with them what it likes.
fn may_have_secrets(by: &Caller, job: &Job, manifest: &str) -> bool {
    let names_none = parse(manifest, &ManifestLimits::default())
        .is_ok_and(|manifest| manifest.secrets.is_empty() && manifest.oauth.is_none());
    access::owner(by).is_ok_and(|user| user.id == job.owner) && (job.secrets || names_none)
}

fn read(fields: &Fields, otherwise: Visibility) -> Result<Draft, Error> {
    let visibility = settings::visibility(fields)?.unwrap_or(otherwise);
    Ok(Draft {
        // Browsers send lines as the mail does.
        manifest: fields.get("manifest").unwrap_or_default().replace("\r\n", "\n"),
        note: fields.get("note").unwrap_or_default().replace("\r\n", "\n"),
        tags: fields.get("tags").unwrap_or_default().to_string(),
        visibility,
        secrets: fields.get("sent").is_none() || fields.get("secrets").is_some(),
    })
}

fn sheet(
    web: &Web,
    frame: Frame,
    origin: Option<(i64, String)>,
    form: Draft,
    problem: Option<String>,
    is_checked: bool,
) -> SubmitPage {
    let limit = web.farm.settings().requests.manifest;
    let mut page = SubmitPage {
        frame,
        origin,
        form,
        errors: vec![],
        remarks: vec![],
        problem,
        plan: None,
        limit: show::size(limit as u64),
    };
    if is_checked {
        let limits = ManifestLimits { bytes: limit, ..ManifestLimits::default() };
        let report = check_with(&page.form.manifest, &limits);
        let lines: Vec<&str> = page.form.manifest.lines().collect();
        let lint = |problem: &Problem| lint(problem, &lines);
        page.errors = report.errors.iter().map(lint).collect();
        page.remarks = report.warnings.iter().map(lint).collect();
        page.plan = report.manifest.as_ref().map(outline);
    }
    page
}

fn lint(problem: &Problem, lines: &[&str]) -> Lint {
    let at = problem.place.line.saturating_sub(1);
    let line: String = lines.get(at).copied().unwrap_or_default().chars().take(120).collect();
    let mut text = line.clone();
    let before = problem.place.column.saturating_sub(1).min(line.chars().count());
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{}^", " ".repeat(before));
    Lint {
        line: problem.place.line,
        column: problem.place.column,
        message: problem.message.clone(),
        hint: problem.hint.clone(),
        text,
        top: (at < NUMBERED).then_some(ABOVE + at * LINE),
    }
}

fn outline(manifest: &Manifest) -> Outline {
    let mut facts = vec![("Image", manifest.image.clone())];
    let mut list = |name, items: Vec<String>| {
        if !items.is_empty() {
            facts.push((name, items.join(", ")));
        }
    };
    list("Packages", manifest.packages.clone());
    list("Sources", manifest.sources.iter().map(|source| source.url.clone()).collect());
    list("Secrets", manifest.secrets.clone());
    list("Artifacts", manifest.artifacts.clone());
    Outline { steps: manifest.tasks.iter().map(|task| task.name.clone()).collect(), facts }
}
