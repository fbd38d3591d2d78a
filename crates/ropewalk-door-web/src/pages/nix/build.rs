//! A build: how it ended, what it made and measured, where its log is.

use super::parts::{self, Crumbs, Row};
use crate::Web;
use crate::pages::addresses;
use crate::pages::failure::Failure;
use crate::pages::frame::{Frame, page};
use crate::pages::show::{self, Status, When};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::access;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::port::{Build, Role};
use ropewalk_http::parts::Address;
use ropewalk_model::ids::JobId;
use ropewalk_model::nix;

/// Evaluations of a build that are shown: it may belong to all of its jobset's.
const EVALUATIONS: usize = 20;
/// Parts of an aggregate that are shown.
const PARTS: usize = 500;

#[derive(Template)]
#[template(path = "nix-build.html")]
struct BuildPage {
    frame: Frame,
    crumbs: Crumbs,
    job_address: String,
    build: Build,
    status: Status,
    more: Option<&'static str>,
    created: When,
    ran: Option<String>,
    products: Vec<Product>,
    metrics: Vec<(String, String)>,
    facts: Vec<(&'static str, String)>,
    /// Newest first.
    evaluations: Vec<i64>,
    evaluations_left_out: usize,
    parts: Vec<Row>,
    parts_left_out: usize,
    /// Page of its job, with the log.
    log: Option<String>,
    may_restart: bool,
    may_cancel: bool,
    may_bump: bool,
}

struct Product {
    /// From 1.
    number: usize,
    /// A file, or a folder of them, that is offered to be downloaded; not a whole output.
    has_files: bool,
    kind: String,
    name: String,
    path: String,
    size: Option<String>,
    sha256: Option<String>,
}

impl BuildPage {
    fn homepage(&self) -> Option<&str> {
        show::web_address(self.build.homepage.as_deref()?)
    }
}

/// A build; a job of another kind leads to its own page.
pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address(number): Address<i64>,
) -> Result<Response, Failure> {
    match web.farm.nix_build(&frame.by, number).await {
        Ok(build) => Ok(page(&read(&web, frame, build).await?)),
        Err(error) if error.kind == Kind::Missing => {
            let job = web.farm.job(&frame.by, JobId(number)).await?;
            Ok(parts::lead(StatusCode::FOUND, &addresses::of_job(&job)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn read(web: &Web, mut frame: Frame, build: Build) -> Result<BuildPage, Error> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let project = farm.project(by, &build.project).await?;
    let constituents = farm.nix_constituents(by, build.id).await?;
    let log = match farm.job(by, JobId(build.id)).await {
        Ok(job) => Some(addresses::of_job(&job)),
        Err(error) if matches!(error.kind, Kind::Missing | Kind::Forbidden) => None,
        Err(error) => return Err(error),
    };
    let may = |role| frame.name().is_some() && access::operate(by, &project, role).is_ok();
    let [may_restart, may_cancel, may_bump] =
        [Role::RestartJobs, Role::CancelBuild, Role::BumpToFront].map(may);
    let (status, more) = parts::status(&build);
    frame.favicon = match status.word {
        "success" => "favicon-success.svg",
        "running" => "favicon-running.svg",
        "queued" => "favicon-queued.svg",
        _ => "favicon-failed.svg",
    };
    Ok(BuildPage {
        crumbs: parts::of_jobset(&build.project, &build.jobset),
        job_address: parts::job_address(&build.project, &build.jobset, &build.job),
        status,
        more,
        created: When::new(build.created, now),
        ran: build.started.map(|started| show::span(build.stopped.unwrap_or(now).since(started))),
        products: (1..).zip(&build.products).map(product).collect(),
        metrics: build.metrics.iter().map(metric).collect(),
        facts: facts(&build),
        evaluations: build.evaluations.iter().rev().take(EVALUATIONS).copied().collect(),
        evaluations_left_out: build.evaluations.len().saturating_sub(EVALUATIONS),
        parts: constituents.iter().take(PARTS).map(|part| Row::new(part, now)).collect(),
        parts_left_out: constituents.len().saturating_sub(PARTS),
        log,
        may_restart: may_restart && build.finished,
        may_cancel: may_cancel && !build.finished,
        may_bump: may_bump && !build.finished && build.started.is_none(),
        build,
        frame: frame.at("projects"),
    })
}

fn product((number, product): (usize, &nix::Product)) -> Product {
    Product {
        number,
        has_files: product.kind != "nix-build",
        kind: [product.kind.as_str(), &product.subtype].join(" ").trim().into(),
        name: if product.name.is_empty() { "whole output".into() } else { product.name.clone() },
        path: product.path.clone(),
        size: product.size.map(show::size),
        sha256: product.sha256.clone(),
    }
}

fn metric((name, metric): (&String, &nix::Metric)) -> (String, String) {
    let unit = metric.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    (name.clone(), format!("{}{unit}", metric.value))
}

/// What it says of itself, as far as it does.
fn facts(build: &Build) -> Vec<(&'static str, String)> {
    let bytes = |size: Option<i64>| size.and_then(|size| u64::try_from(size).ok()).map(show::size);
    let all = [
        ("System", Some(build.system.clone())),
        ("Name", Some(build.nix_name.clone())),
        ("Release", build.release_name.clone()),
        ("Description", build.description.clone()),
        ("License", build.license.clone()),
        ("Maintainers", build.maintainers.clone()),
        ("Size", bytes(build.size)),
        ("With what it needs", bytes(build.closure_size)),
        ("Kept", build.keep.then(|| "for ever".into())),
        ("Derivation", Some(build.drv_path.clone())),
    ];
    let said = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    said.filter(|(_, value)| !value.is_empty()).collect()
}
