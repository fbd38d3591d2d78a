//! What a job's owner may change of it: who may see it, and its tags.

use super::addresses;
use super::failure::Failure;
use super::form::{Fields, Sent};
use super::frame::{Frame, answer, page};
use super::{job, show};
use crate::Web;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use ropewalk_core::access::{self, Caller};
use ropewalk_core::error::{Error, Kind};
use ropewalk_http::parts::Address;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Visibility};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    number: i64,
    title: String,
    address: String,
    form: Labels,
    problem: Option<String>,
}

/// What the form holds.
pub(super) struct Labels {
    /// Divided by slashes.
    pub(super) tags: String,
    pub(super) visibility: Visibility,
    /// Whose job it is, as the one who looks says it.
    whom: String,
}

impl Labels {
    /// Those that a job has.
    pub(super) fn of(job: &Job, by: &Caller) -> Labels {
        Labels { tags: job.tags.join("/"), visibility: job.visibility, whom: whom(job, by) }
    }

    pub(super) fn whom(&self) -> &str {
        &self.whom
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.visibility.to_string() == word
    }

    /// What somebody wants them to be.
    fn read(fields: &Fields, whom: String) -> Result<Labels, Error> {
        let visibility = visibility(fields)?
            .ok_or_else(|| Error::malformed("choose who may see the job").about("visibility"))?;
        Ok(Labels { tags: fields.get("tags").unwrap_or_default().to_string(), visibility, whom })
    }
}

fn whom(job: &Job, by: &Caller) -> String {
    match by.user() {
        Some(user) if user.name == job.owner_name => "me".into(),
        _ => format!("~{}", job.owner_name),
    }
}

/// The visibility that a form or an address names, in any case.
pub(super) fn visibility(fields: &Fields) -> Result<Option<Visibility>, Error> {
    let parse = |word: &str| {
        word.to_lowercase().parse().map_err(|_| {
            Error::malformed(format!("{word:?} is no visibility: write public, unlisted or private"))
                .about("visibility")
        })
    };
    fields.text("visibility").map(parse).transpose()
}

/// Tags as people write them, divided by slashes.
pub(super) fn tags(text: &str) -> Vec<String> {
    text.split('/').map(str::trim).map(String::from).collect()
}

pub(super) async fn show(
    State(web): State<Web>,
    frame: Frame,
    Address((owner, number)): Address<(String, JobId)>,
) -> Result<Response, Failure> {
    let job = job::of_owner(&web, &frame.by, &owner, number).await?;
    access::change(&frame.by, &job)?;
    let form = Labels::of(&job, &frame.by);
    Ok(page(&sheet(frame, &job, form, None)))
}

/// Replaces both: a form holds all tags that the job is to have.
pub(super) async fn change(
    State(web): State<Web>,
    frame: Frame,
    Address((owner, number)): Address<(String, JobId)>,
    Sent(fields): Sent,
) -> Result<Response, Failure> {
    let job = job::of_owner(&web, &frame.by, &owner, number).await?;
    let form = Labels::read(&fields, whom(&job, &frame.by))?;
    match web.farm.update(&frame.by, number, form.visibility, Some(tags(&form.tags))).await {
        Ok(job) => Ok(Redirect::to(&addresses::of_job(&job)).into_response()),
        // What the person wrote is not lost.
        Err(error) if error.kind == Kind::Malformed => {
            Ok(answer(StatusCode::BAD_REQUEST, &sheet(frame, &job, form, Some(error.message))))
        }
        Err(error) => Err(error.into()),
    }
}

fn sheet(frame: Frame, job: &Job, form: Labels, problem: Option<String>) -> SettingsPage {
    SettingsPage {
        frame: frame.at("jobs"),
        number: job.id.0,
        title: show::title(job),
        address: addresses::of_job(job),
        form,
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_without_a_visibility_changes_nothing() {
        let read = |form: &str| Labels::read(&Fields::read(form.as_bytes()), "me".into());
        assert!(
            read("visibility=PRIVATE&tags=a/b").is_ok_and(|form| form.is("private") && form.tags == "a/b")
        );
        assert!(read("tags=a").is_err());
        assert!(read("visibility=secret&tags=a").is_err());
        assert_eq!(tags(" a / b c /"), ["a", "b c", ""]);
    }
}
