//! A target: what is built, when, and how it went.

use super::parts::{self, Row};
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::{Fields, Sent};
use crate::pages::frame::{Frame, page};
use crate::pages::show::{self, When};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use ropewalk_core::access;
use ropewalk_core::error::Error;
use ropewalk_core::port::{Target, TargetKind};
use ropewalk_http::parts::Address;

/// Builds of one page.
const ROWS: u32 = 20;

#[derive(Template)]
#[template(path = "arch-target.html")]
struct TargetPage {
    frame: Frame,
    target: Target,
    title: String,
    address: String,
    /// Where it comes from.
    url: String,
    repo_address: String,
    facts: Vec<(&'static str, String)>,
    /// Architectures, with when each is built next; none: that build waits.
    next: Vec<(String, Option<When>)>,
    rows: Vec<Row>,
    is_first: bool,
    older: Option<i64>,
    may_build: bool,
}

impl TargetPage {
    /// Where it comes from, if a browser can look there.
    fn source(&self) -> Option<&str> {
        show::web_address(&self.url)
    }
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<i64>,
    fields: Fields,
) -> Result<Response, Failure> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let target = farm.target(by, number).await?;
    let mut runs = farm.target_runs(by, &[number]).await?;
    let next = runs.remove(&number).unwrap_or_default().next.into_iter();
    let before = fields.number::<i64>("before");
    let mut builds = farm.target_builds(by, number, before, ROWS + 1).await?;
    let has_more = builds.len() > ROWS as usize;
    builds.truncate(ROWS as usize);
    Ok(page(&TargetPage {
        title: parts::title(&target.fields),
        address: parts::target(number),
        url: parts::without_password(&target.fields.url),
        repo_address: parts::repository(&target.fields.repo),
        facts: facts(&target),
        next: next.map(|(arch, at)| (arch, at.map(|at| When::new(at, now)))).collect(),
        rows: builds.iter().map(|build| Row::new(by, build, now)).collect(),
        is_first: before.is_none(),
        older: builds.last().filter(|_| has_more).map(|last| last.job.id.0),
        may_build: frame.name().is_some() && access::change_packages(by, target.owner).is_ok(),
        target,
        frame: frame.at("packages"),
    }))
}

fn facts(target: &Target) -> Vec<(&'static str, String)> {
    let fields = &target.fields;
    let or = |text: &str, other: &str| if text.is_empty() { other.into() } else { text.into() };
    let schedule = ("Schedule", or(&fields.schedule, "the server's own"));
    match fields.kind {
        TargetKind::Git => vec![
            ("Kind", "git repository".into()),
            ("Branch", or(&fields.branch, "the repository's own")),
            ("Folder", or(&fields.path, "the top one")),
            schedule,
        ],
        TargetKind::Url => vec![("Kind", "address of a PKGBUILD".into()), schedule],
    }
}

/// Queues a build, due now.
pub(super) async fn build(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<i64>,
    Sent(fields): Sent,
) -> Result<Response, Failure> {
    let arch =
        fields.text("arch").ok_or_else(|| Error::malformed("say for which architecture").about("arch"))?;
    web.farm.queue_build(&frame.by, number, arch, fields.get("force").is_some()).await?;
    Ok(Redirect::to(&parts::target(number)).into_response())
}
