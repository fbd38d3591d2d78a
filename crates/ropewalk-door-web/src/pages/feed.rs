//! Feeds: RSS 2.0, as builds.sr.ht has them.

use super::addresses;
use super::conditional::Fetched;
use super::failure::Failure;
use super::form::Fields;
use super::jobs::{ROWS, find};
use super::query::Query;
use crate::Web;
use crate::visible::visible;
use askama::Template;
use axum::response::Response;
use http::header::VARY;
use http::{HeaderMap, HeaderValue};
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_model::job::Job;
use ropewalk_model::time::Time;

#[derive(Template)]
#[template(path = "rss.xml", escape = "html")]
struct Feed {
    title: String,
    link: String,
    items: Vec<Item>,
}

struct Item {
    title: String,
    author: String,
    link: String,
    note: Option<String>,
    updated: String,
}

pub(super) async fn show(
    web: &Web,
    by: &Caller,
    asked: &HeaderMap,
    user: &str,
    tags: &str,
    fields: &Fields,
) -> Result<Response, Failure> {
    let text = fields.text("search").or(fields.text("q")).unwrap_or_default();
    let searched = Query::read(text, web.farm.now()).map_err(Error::malformed)?;
    let only_ended = !text.is_empty() && !searched.asks_for_status();
    let searched = if only_ended { searched.and(Query::ended()) } else { searched };
    let base = Query::of(user).and(if tags.is_empty() { Query::default() } else { Query::below(tags) });
    let part = find(web, by, &base.and(searched), None, ROWS).await?;
    let jobs = part.rows;
    let origin = &web.farm.settings().origin;
    let feed = Feed {
        title: if tags.is_empty() { format!("Jobs of ~{user}") } else { format!("~{user}/{tags}") },
        link: addresses::trail(user, tags.split('/'))
            .pop()
            .map(|(_, at)| format!("{origin}{at}"))
            .unwrap_or_default(),
        items: jobs.iter().map(|job| item(web, job)).collect(),
    };
    let xml = feed
        .render()
        .map_err(|error| Error::internal(format_args!("a feed could not be written: {error}")))?;
    let fetched = Fetched {
        kind: "application/rss+xml; charset=utf-8",
        cache: if matches!(by, Caller::Anonymous) { "no-cache" } else { "private, no-cache" },
        modified: jobs.iter().map(|job| job.updated).max(),
        body: visible(&xml).into_owned(),
    };
    let mut response = fetched.answer(asked, web.farm.now());
    // Whoever has logged in sees jobs of their own that others do not.
    response.headers_mut().insert(VARY, HeaderValue::from_static("Cookie, Authorization, X-Api-Key"));
    Ok(response)
}

fn item(web: &Web, job: &Job) -> Item {
    Item {
        title: format!("#{} ({})", job.id, job.status),
        author: format!("~{}", job.owner_name),
        link: web.farm.job_url(&job.owner_name, job.id),
        note: job.note.as_deref().map(plain),
        updated: rfc_822(job.updated),
    }
}

/// XML has no way to write most control characters.
pub(super) fn plain(text: &str) -> String {
    let is_xml =
        |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}') || matches!(c, '\n' | '\t');
    text.chars().filter(is_xml).collect()
}

/// `Wed, 01 Jul 2026 10:00:00 +0000`.
fn rfc_822(at: Time) -> String {
    let at = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_mail() {
        assert_eq!(rfc_822(Time(1_782_900_000_000_000)), "Wed, 01 Jul 2026 10:00:00 +0000");
        assert_eq!(rfc_822(Time(i64::MAX)), "Thu, 01 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn what_xml_cannot_say_is_left_out() {
        assert_eq!(plain("a\0b\x1b[1mc\nd\u{ffff}é"), "ab[1mc\ndé");
    }
}
