//! Lists of jobs.

use super::failure::Failure;
use super::form::Fields;
use super::frame::{Frame, page};
use super::query::Query;
use super::show::{self, Status, When};
use crate::Web;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::farm::job_path;
use ropewalk_core::jobs::{JobQuery, PAGE_MAX};
use ropewalk_model::ids::JobId;
use ropewalk_model::job::Job;
use ropewalk_model::time::Time;

/// Jobs of one page.
pub(super) const ROWS: usize = 25;

/// A job as lists show it.
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) owner: String,
    pub(super) title: String,
    pub(super) subtitle: Option<String>,
    pub(super) status: Status,
    pub(super) cause: Option<String>,
    pub(super) is_private: bool,
    pub(super) waited: Option<String>,
    pub(super) took: Option<String>,
    pub(super) when: When,
}

impl Row {
    pub(super) fn new(job: &Job, now: Time) -> Row {
        let ended = job.ended.unwrap_or(now);
        let until = job.started.or(job.ended).unwrap_or(now);
        Row {
            number: job.id.0,
            owner: job.owner_name.clone(),
            title: show::title(job),
            subtitle: show::subtitle(job),
            status: Status::of(job.status.into()),
            cause: job.cause.map(show::cause),
            is_private: job.visibility == ropewalk_model::job::Visibility::Private,
            waited: job.queued.map(|queued| show::clock(until.since(queued))),
            took: job.started.map(|started| show::clock(ended.since(started))),
            when: When::new(job.created, now),
        }
    }

    /// Address of the job's page.
    pub(super) fn link(&self) -> String {
        job_path(&self.owner, JobId(self.number))
    }
}

/// Part of a list.
pub(super) struct Part {
    pub(super) rows: Vec<Job>,
    /// Where the next part begins.
    pub(super) next: Option<i64>,
    /// There may be more that match: the search stopped after many that do not.
    pub(super) is_cut: bool,
}

/// Jobs that match, newest first. What an index can find is asked of the store; the rest is looked at one by one, so
/// many at a time.
pub(super) async fn find(
    web: &Web,
    by: &Caller,
    query: &Query,
    before: Option<i64>,
    rows: usize,
) -> Result<Part, Error> {
    let mut part = Part { rows: vec![], next: before, is_cut: false };
    let mut looked_at = 0;
    let most = web.farm.settings().requests.search_jobs;
    loop {
        let asked = JobQuery {
            owner: query.owner().map(String::from),
            status: query.status(),
            ..JobQuery::default()
        };
        let limit = if query.is_indexed() { u32::try_from(rows).unwrap_or(PAGE_MAX) } else { PAGE_MAX };
        let limit = limit.min(most.saturating_sub(looked_at)).max(1);
        let page = web.farm.jobs(by, asked, part.next, limit).await?;
        let is_last = page.next.is_none();
        for job in page.items {
            if part.rows.len() >= rows {
                part.next = part.rows.last().map(|job| job.id.0);
                return Ok(part);
            }
            looked_at += 1;
            part.next = Some(job.id.0);
            if query.matches(&job) {
                part.rows.push(job);
            }
        }
        if is_last {
            part.next = None;
            return Ok(part);
        }
        if part.rows.len() >= rows || looked_at >= most {
            part.is_cut = part.rows.len() < rows;
            return Ok(part);
        }
    }
}

#[derive(Template)]
#[template(path = "jobs.html")]
struct JobsPage {
    frame: Frame,
    heading: String,
    crumbs: Vec<(String, String)>,
    action: String,
    query: String,
    chips: Vec<Chip>,
    rows: Vec<Row>,
    is_first: bool,
    older: Option<String>,
    is_cut: bool,
    feed: String,
    badge: Option<String>,
    problem: Option<String>,
}

/// A link that narrows the list or takes a narrowing back.
struct Chip {
    label: String,
    link: String,
    is_set: bool,
    status: Option<Status>,
}

/// What a list is of.
pub(super) struct List {
    pub(super) heading: String,
    pub(super) crumbs: Vec<(String, String)>,
    /// Address of the list without its query.
    pub(super) address: String,
    pub(super) feed: String,
    pub(super) badge: Option<String>,
    /// What every job of the list matches, whatever is searched for.
    pub(super) base: Query,
}

pub(super) async fn show(State(web): State<Web>, frame: Frame, fields: Fields) -> Result<Response, Failure> {
    let list = List {
        heading: "Jobs".into(),
        crumbs: vec![],
        address: "/-/jobs".into(),
        feed: String::new(),
        badge: None,
        base: Query::default(),
    };
    show_list(&web, frame.at("jobs"), &fields, list).await
}

/// Shows a list, with what is searched for in it.
pub(super) async fn show_list(
    web: &Web,
    frame: Frame,
    fields: &Fields,
    list: List,
) -> Result<Response, Failure> {
    let text = fields.text("q").or(fields.text("search")).unwrap_or_default().to_string();
    let before = fields.number("before");
    let now = web.farm.now();
    let (query, problem) = match Query::read(&text, now) {
        Ok(query) => (list.base.and(query), None),
        Err(problem) => (list.base, Some(problem)),
    };
    let part = match &problem {
        Some(_) => Part { rows: vec![], next: None, is_cut: false },
        None => find(web, &frame.by, &query, before, ROWS).await?,
    };
    let at = |query: &str, before: Option<i64>| address(&list.address, query, before);
    let page_of = JobsPage {
        heading: list.heading,
        crumbs: list.crumbs,
        action: list.address.clone(),
        // What cannot be read has no parts to take back.
        chips: if problem.is_none() { chips(&text, |text| at(text, None)) } else { vec![] },
        rows: part.rows.iter().map(|job| Row::new(job, now)).collect(),
        is_first: before.is_none(),
        older: part.next.map(|next| at(&text, Some(next))),
        is_cut: part.is_cut,
        feed: list.feed,
        badge: list.badge,
        problem,
        query: text,
        frame,
    };
    Ok(page(&page_of))
}

fn address(path: &str, query: &str, before: Option<i64>) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    if !query.is_empty() {
        pairs.append_pair("q", query);
    }
    if let Some(before) = before {
        pairs.append_pair("before", &before.to_string());
    }
    match pairs.finish().as_str() {
        "" => path.into(),
        pairs => format!("{path}?{pairs}"),
    }
}

/// One for each word of the query, which takes it back, and one for each status that is not asked for.
fn chips(text: &str, link: impl Fn(&str) -> String) -> Vec<Chip> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let set = words.iter().enumerate().map(|(at, word)| {
        let rest: Vec<&str> =
            words.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, word)| *word).collect();
        Chip { label: (*word).into(), link: link(&rest.join(" ")), is_set: true, status: None }
    });
    let has_status = words.iter().any(|word| word.starts_with("status:"));
    let narrow = ["failed", "running", "queued", "timeout", "cancelled", "success"].into_iter();
    let narrow = narrow.filter(|_| !has_status).map(|word| Chip {
        label: word.into(),
        link: link(format!("{text} status:{word}").trim()),
        is_set: false,
        status: Some(Status::of(word)),
    });
    set.chain(narrow).collect()
}
