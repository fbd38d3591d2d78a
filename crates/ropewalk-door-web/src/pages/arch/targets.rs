//! The list of targets.

use super::parts::{self, Row};
use crate::Web;
use crate::pages::failure::Failure;
use crate::pages::form::Fields;
use crate::pages::frame::{Frame, page};
use crate::pages::show::When;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::access::Caller;
use ropewalk_core::arch::is_repository_name;
use ropewalk_core::error::Error;
use ropewalk_core::port::{Target, TargetFilter, TargetRuns, Window};
use ropewalk_model::time::Time;

/// Targets of one page.
const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "arch-targets.html")]
struct TargetsPage {
    frame: Frame,
    /// Address of this server.
    origin: String,
    /// The repository that the list is narrowed to; empty for none.
    repo: String,
    rows: Vec<Listed>,
    is_first: bool,
    /// Address of the list's beginning.
    link: String,
    /// Address of the next part.
    next: Option<String>,
}

struct Listed {
    title: String,
    address: String,
    url: String,
    branch: String,
    repo: String,
    repo_address: String,
    archs: Vec<String>,
    next: Next,
    last: Option<Row>,
}

/// When a target is built next.
enum Next {
    At(When),
    Waits,
    Never,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let (farm, by, now) = (&web.farm, &frame.by, web.farm.now());
    let repo = fields.text("repo").unwrap_or_default().to_string();
    let after = fields.number::<i64>("after");
    let filter = TargetFilter { repo: repo.clone(), after: after.unwrap_or(0), ..TargetFilter::default() };
    let mut found = match repo.is_empty() || is_repository_name(&repo) {
        true => farm.targets(by, &filter, Window { limit: ROWS + 1, offset: 0 }).await?,
        false => return Err(Error::missing("repository of that name").into()),
    };
    let has_more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let numbers: Vec<i64> = found.iter().map(|target| target.id).collect();
    let mut runs = farm.target_runs(by, &numbers).await?;
    let mut of = |target: &Target| runs.remove(&target.id).unwrap_or_default();
    let rows = found.iter().map(|target| listed(by, target, of(target), now)).collect();
    let (link, join) = match repo.as_str() {
        "" => ("/-/targets".to_string(), '?'),
        repo => (parts::targets_of(repo), '&'),
    };
    Ok(page(&TargetsPage {
        origin: farm.settings().origin.clone(),
        rows,
        is_first: after.is_none(),
        next: numbers.last().filter(|_| has_more).map(|last| format!("{link}{join}after={last}")),
        link,
        repo,
        frame: frame.at("packages"),
    }))
}

fn listed(by: &Caller, target: &Target, runs: TargetRuns, now: Time) -> Listed {
    let fields = &target.fields;
    Listed {
        title: parts::title(fields),
        address: parts::target(target.id),
        url: parts::without_password(&fields.url),
        branch: fields.branch.clone(),
        repo: fields.repo.clone(),
        repo_address: parts::repository(&fields.repo),
        archs: target.archs.iter().map(|arch| arch.value.clone()).collect(),
        next: next(&runs, now),
        last: runs.last.map(|build| Row::new(by, &build, now)),
    }
}

/// The soonest of its architectures'; one that waits already comes first.
fn next(runs: &TargetRuns, now: Time) -> Next {
    if runs.next.iter().any(|(_, at)| at.is_none()) {
        return Next::Waits;
    }
    match runs.next.iter().filter_map(|(_, at)| *at).min() {
        Some(at) => Next::At(When::new(at, now)),
        None => Next::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_is_shown() {
        let of = |times: &[Option<i64>]| {
            let next = times.iter().map(|at| (String::new(), at.map(Time))).collect();
            match super::next(&TargetRuns { next, last: None }, Time(0)) {
                Next::At(when) => when.to_string(),
                Next::Waits => "waits".into(),
                Next::Never => "never".into(),
            }
        };
        assert!(of(&[Some(7_200_000_000), Some(60_000_000)]).contains("in 1 min"));
        assert_eq!((of(&[Some(1), None]).as_str(), of(&[]).as_str()), ("waits", "never"));
    }
}
