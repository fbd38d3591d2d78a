//! What several of these pages show.

use crate::pages::addresses::segment;
use crate::pages::show::{self, Status, When};
use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use ropewalk_core::port::{Build, Counts};
use ropewalk_model::time::Time;

/// Names of pages and their addresses, from the list of projects down.
pub(super) type Crumbs = Vec<(String, String)>;

/// The list of projects.
pub(super) fn top() -> Crumbs {
    vec![("Projects".into(), "/-/projects".into())]
}

/// Down to a project.
pub(super) fn of_project(project: &str) -> Crumbs {
    top().into_iter().chain([(project.into(), project_address(project))]).collect()
}

/// Down to a jobset.
pub(super) fn of_jobset(project: &str, jobset: &str) -> Crumbs {
    let address = jobset_address(project, jobset);
    of_project(project).into_iter().chain([(jobset.into(), address)]).collect()
}

/// Address of a jobset's page.
pub(super) fn jobset_address(project: &str, jobset: &str) -> String {
    format!("/jobset/{}/{}", segment(project), segment(jobset))
}

/// Address of a project's page.
pub(super) fn project_address(project: &str) -> String {
    format!("/project/{}", segment(project))
}

/// Address of a job's page.
pub(super) fn job_address(project: &str, jobset: &str, job: &str) -> String {
    format!("/job/{}/{}/{}", segment(project), segment(jobset), segment(job))
}

/// Leads to another address of this server.
pub(super) fn lead(status: StatusCode, address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(value) => (status, [(LOCATION, value)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// How a build is: a glyph's status, and what its word does not say.
pub(super) fn status(build: &Build) -> (Status, Option<&'static str>) {
    let (word, more) = match (build.finished, build.status) {
        (false, _) if build.started.is_some() => ("running", None),
        (false, _) => ("queued", None),
        (true, Some(0)) if build.is_cached => ("success", Some("was there already")),
        (true, Some(0)) => ("success", None),
        (true, Some(2)) => ("failed", Some("something that it needs failed")),
        (true, Some(3)) => ("failed", Some("aborted: the farm failed, not the build")),
        (true, Some(4)) => ("cancelled", None),
        (true, Some(6)) => ("failed", Some("it says itself that it failed")),
        (true, Some(7)) => ("timeout", None),
        (true, Some(9)) => ("failed", Some("no runner builds for its system")),
        (true, Some(10)) => ("failed", Some("it printed too much")),
        (true, Some(11)) => ("failed", Some("it made too much")),
        (true, Some(12)) => ("failed", Some("it made something else the second time")),
        (true, _) => ("failed", None),
    };
    (Status::of(word), more)
}

/// A build in a list.
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) job: String,
    pub(super) name: String,
    pub(super) system: String,
    pub(super) status: Status,
    pub(super) more: Option<&'static str>,
    pub(super) took: Option<String>,
    pub(super) when: When,
}

impl Row {
    pub(super) fn new(build: &Build, now: Time) -> Row {
        let (status, more) = status(build);
        Row {
            number: build.id,
            job: build.job.clone(),
            name: build.nix_name.clone(),
            system: build.system.clone(),
            status,
            more,
            took: build.started.map(|started| show::clock(build.stopped.unwrap_or(now).since(started))),
            when: When::new(build.stopped.unwrap_or(build.created), now),
        }
    }
}

/// How many builds are how far: only what there is some of.
pub(super) fn tally(counts: Counts) -> Vec<(Status, i64)> {
    let all = [("success", counts.succeeded), ("failed", counts.failed), ("queued", counts.scheduled)];
    all.into_iter().filter(|(_, count)| *count > 0).map(|(word, count)| (Status::of(word), count)).collect()
}

/// So many items behind the one of this name, from the first on if there is no such one, and the name to go on from.
pub(super) fn behind<T>(
    items: Vec<T>,
    after: Option<&str>,
    many: usize,
    name: fn(&T) -> &str,
) -> (Vec<T>, Option<String>) {
    let start = after.and_then(|after| items.iter().position(|item| name(item) == after));
    let start = start.map_or(0, |at| at + 1);
    let has_more = items.len() > start + many;
    let part: Vec<T> = items.into_iter().skip(start).take(many).collect();
    let next = part.last().filter(|_| has_more).map(|item| name(item).to_owned());
    (part, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_behind_a_name() {
        let of = |after| {
            let (part, next) = behind(vec!["c", "a", "d", "b"], after, 2, |name| name);
            (part.concat(), next)
        };
        assert_eq!(of(None), ("ca".into(), Some("a".into())));
        assert_eq!(of(Some("a")), ("db".into(), None));
        assert_eq!(of(Some("gone")), ("ca".into(), Some("a".into())));
        assert_eq!(of(Some("b")), (String::new(), None));
    }

    #[test]
    fn every_end_has_a_glyph_and_only_an_open_build_waits() {
        for number in 0..=12 {
            let build = Build { finished: true, status: Some(number), ..Build::default() };
            let word = status(&build).0.word;
            assert_eq!(word == "success", number == 0, "{number}: {word}");
            assert!(!["queued", "running", "pending"].contains(&word), "{number}: {word}");
        }
        let running = Build { started: Some(Time(1)), ..Build::default() };
        assert_eq!((status(&Build::default()).0.word, status(&running).0.word), ("queued", "running"));
    }
}
