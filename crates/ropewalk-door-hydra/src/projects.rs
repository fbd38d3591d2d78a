//! Projects.

use crate::answer::{self, Failed};
use crate::door::Hydra;
use crate::fields::Fields;
use crate::view;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use ropewalk_core::error::Error;
use ropewalk_core::nix::ProjectWish;
use ropewalk_core::port::{Declarative, InputKind, ProjectFields};
use ropewalk_http::parts::{Address, By};
use serde_json::Value;

pub(crate) async fn list(State(hydra): State<Hydra>, By(by): By) -> Result<Json<Vec<Value>>, Failed> {
    let projects = hydra.farm.projects(&by).await?;
    Ok(Json(projects.iter().map(view::project).collect()))
}

pub(crate) async fn show(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(name): Address<String>,
) -> Result<Json<Value>, Failed> {
    Ok(Json(view::project(&hydra.farm.project(&by, &name).await?)))
}

/// Makes a project or replaces it.
pub(crate) async fn save(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(name): Address<String>,
    fields: Fields,
) -> Result<Response, Failed> {
    let saved = hydra.farm.save_project(&by, &name, wish(fields)?).await?;
    let uri = format!("{}/project/{}", hydra.farm.settings().origin, saved.name);
    Ok(answer::saved("project", &saved.name, &uri, saved.is_new))
}

fn wish(mut fields: Fields) -> Result<ProjectWish, Error> {
    no_run_commands(&mut fields)?;
    let name = fields.optional_text("name")?.filter(|name| !name.is_empty());
    let is_visible = fields.switch("visible")?;
    let is_hidden = fields.switch("hidden")?;
    let described = ProjectFields {
        display_name: fields.text("displayname")?,
        description: fields.text("description")?,
        homepage: fields.text("homepage")?,
        is_enabled: fields.switch("enabled")?.unwrap_or(false),
        is_hidden: is_visible.map(|visible| !visible).or(is_hidden).unwrap_or(true),
        declarative: declarative(&mut fields)?,
    };
    let owner = fields.optional_text("owner")?.filter(|owner| !owner.is_empty());
    Ok(ProjectWish { name, owner, members: fields.texts("members")?, fields: described })
}

/// Today's members in an object, or those of 2020 beside the others.
fn declarative(fields: &mut Fields) -> Result<Option<Declarative>, Error> {
    let (file, kind, value) = match fields.take("declarative") {
        Some(object) => {
            let mut inner = Fields::within("declarative", object)?;
            (inner.text("file")?, inner.text("type")?, inner.text("value")?)
        }
        None => (fields.text("declfile")?, fields.text("decltype")?, fields.text("declvalue")?),
    };
    let file = file.trim().to_owned();
    match file.is_empty() {
        true => Ok(None),
        false => Ok(Some(Declarative { file, kind: input_kind(&kind)?, value: value.trim().into() })),
    }
}

/// A kind that inputs can have here.
pub(crate) fn input_kind(word: &str) -> Result<InputKind, Error> {
    word.trim().parse().map_err(|_| {
        let word: String = word.chars().take(64).collect();
        Error::malformed(format!(
            "no input is of the type {word:?}: use git, path, string, boolean, nix, build or eval"
        ))
    })
}

/// Passes whoever does not ask that builds choose programs for this machine.
pub(crate) fn no_run_commands(fields: &mut Fields) -> Result<(), Error> {
    match fields.switch("enable_dynamic_run_command")? {
        Some(true) => Err(Error::malformed("this server runs no commands that builds name")),
        _ => Ok(()),
    }
}

/// Removes a project with all that belongs to it.
pub(crate) async fn delete(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(name): Address<String>,
) -> Result<Response, Failed> {
    hydra.farm.delete_project(&by, &name).await?;
    Ok(answer::removed(&format!("{}/", hydra.farm.settings().origin)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn of(body: Value) -> Result<ProjectWish, Error> {
        wish(Fields::within("body", body).unwrap())
    }

    #[test]
    fn visible_wins_and_nothing_means_hidden() {
        let hidden = |body| of(body).unwrap().fields.is_hidden;
        assert!(
            hidden(json!({})) && hidden(json!({ "hidden": true })) && hidden(json!({ "visible": false }))
        );
        assert!(!hidden(json!({ "visible": true, "hidden": true })) && !hidden(json!({ "hidden": false })));
    }

    #[test]
    fn a_file_of_jobsets_is_named_in_two_ways() {
        let expected = Declarative { file: "s.json".into(), kind: InputKind::Git, value: "u".into() };
        for body in [
            json!({ "declarative": { "file": "s.json", "type": "git", "value": "u" } }),
            json!({ "declfile": "s.json", "decltype": "git", "declvalue": "u" }),
        ] {
            assert_eq!(of(body).unwrap().fields.declarative, Some(expected.clone()));
        }
        assert_eq!(of(json!({ "declarative": { "file": "" } })).unwrap().fields.declarative, None);
        assert!(of(json!({ "declarative": { "file": "s", "type": "zzz" } })).is_err());
        assert!(of(json!({ "enable_dynamic_run_command": true })).is_err());
    }
}
