//! Badges for READMEs: how the newest job of a person went.

use super::conditional::Fetched;
use super::failure::Failure;
use super::feed::plain;
use super::form::Fields;
use crate::Web;
use crate::visible::visible;
use askama::Template;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use ropewalk_core::error::Error;
use ropewalk_model::status::JobStatus;

/// Characters of the left text.
const NAME_MAX: usize = 40;

#[derive(Template)]
#[template(path = "badge.svg", escape = "html")]
struct Badge<'a> {
    name: &'a str,
    word: &'a str,
    colour: &'a str,
    left: usize,
    right: usize,
}

impl Badge<'_> {
    fn width(&self) -> usize {
        self.left + self.right
    }

    fn middle_of_left(&self) -> usize {
        self.left / 2
    }

    fn middle_of_right(&self) -> usize {
        self.left + self.right / 2
    }
}

/// The newest job that ended by itself decides, whatever its visibility.
pub(super) async fn show(
    web: &Web,
    asked: &HeaderMap,
    user: &str,
    tags: &str,
    fields: &Fields,
) -> Result<Response, Failure> {
    let newest = web.farm.badge(user, tags).await?;
    let name: String = plain(fields.text("name").unwrap_or("builds")).chars().take(NAME_MAX).collect();
    let name = visible(&name);
    let (word, colour) = match newest.map(|(status, _)| status) {
        Some(JobStatus::Success) => ("success", "#11703b"),
        Some(_) => ("failure", "#b3261e"),
        None => ("unknown", "#5b6270"),
    };
    let width = |text: &str| 12 + 7 * text.chars().count();
    let badge = Badge { name: &name, word, colour, left: width(&name), right: width(word) };
    let svg = badge
        .render()
        .map_err(|error| Error::internal(format_args!("a badge could not be written: {error}")))?;
    let fetched =
        Fetched { kind: "image/svg+xml", cache: "no-cache", modified: newest.map(|(_, at)| at), body: svg };
    let mut response = fetched.answer(asked, web.farm.now());
    // READMEs are on other sites.
    let name = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(name, HeaderValue::from_static("cross-origin"));
    Ok(response)
}
