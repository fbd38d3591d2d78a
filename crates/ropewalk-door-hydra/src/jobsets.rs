//! Jobsets.

use crate::answer::{self, Failed};
use crate::asked::Asked;
use crate::door::Hydra;
use crate::fields::Fields;
use crate::projects::{input_kind, no_run_commands};
use crate::view;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropewalk_core::access::Caller;
use ropewalk_core::error::{Error, Kind};
use ropewalk_core::nix::JobsetWish;
use ropewalk_core::port::{Enabled, Jobset, JobsetFields, JobsetInput, Saved};
use ropewalk_http::parts::{Address, By};
use serde_json::Value;

/// What must be escaped in one word of an address.
pub(crate) const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A jobset; one that is called otherwise now leads to the same address with its new name.
pub(crate) async fn find(
    hydra: &Hydra,
    by: &Caller,
    uri: &Uri,
    project: &str,
    name: &str,
) -> Result<Jobset, Failed> {
    match hydra.farm.jobset(by, project, name).await {
        Err(error) if error.kind == Kind::Missing => {
            match hydra.farm.renamed_jobset(by, project, name).await? {
                Some(new) => Err(Failed::Moved(moved(hydra, uri, &new))),
                None => Err(error.into()),
            }
        }
        found => Ok(found?),
    }
}

/// The address with its third word replaced: `/jobset/PROJECT/NAME…` and `/job/PROJECT/NAME…`.
fn moved(hydra: &Hydra, uri: &Uri, new: &str) -> String {
    let new = utf8_percent_encode(new, SEGMENT).to_string();
    let mut words: Vec<&str> = uri.path().split('/').collect();
    if let Some(word) = words.get_mut(3) {
        *word = &new;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{}{query}", hydra.farm.settings().origin, words.join("/"))
}

pub(crate) async fn show(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, name)): Address<(String, String)>,
    uri: Uri,
) -> Result<Json<Value>, Failed> {
    Ok(Json(view::jobset(&find(&hydra, &by, &uri, &project, &name).await?)))
}

/// How far the jobsets of a project are.
pub(crate) async fn overview(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Vec<Value>>, Failed> {
    let Some(project) = asked.get("project") else {
        return Err(Error::malformed("name a project: `?project=NAME`").into());
    };
    let jobsets = hydra.farm.jobsets(&by, project).await?;
    let numbers: Vec<i64> = jobsets.iter().map(|jobset| jobset.id).collect();
    let counts = hydra.farm.jobset_counts(&by, &numbers).await?;
    let view = |jobset: &Jobset| view::overview(jobset, counts.get(&jobset.id).copied().unwrap_or_default());
    Ok(Json(jobsets.iter().map(view).collect()))
}

/// Makes a jobset or replaces it.
pub(crate) async fn save(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, name)): Address<(String, String)>,
    fields: Fields,
) -> Result<Response, Failed> {
    let (name, saved) = hydra.farm.save_jobset(&by, &project, &name, wish(fields)?).await?;
    let uri = format!("{}/jobset/{project}/{name}", hydra.farm.settings().origin);
    Ok(answer::saved("jobset", &name, &uri, saved == Saved::Made))
}

fn wish(mut fields: Fields) -> Result<JobsetWish, Error> {
    no_run_commands(&mut fields)?;
    expression_only(&mut fields)?;
    let name = fields.optional_text("name")?.filter(|name| !name.is_empty());
    let enabled = fields.number("enabled")?.unwrap_or(0);
    let is_visible = fields.switch("visible")?;
    let is_hidden = fields.switch("hidden")?;
    let shares = fields.number("schedulingshares")?.unwrap_or(1);
    let described = JobsetFields {
        description: fields.text("description")?,
        expression_input: fields.text("nixexprinput")?,
        expression_path: fields.text("nixexprpath")?,
        enabled: Enabled::of_number(enabled)
            .ok_or_else(|| Error::malformed("enabled is 0 (off), 1 (on), 2 (once) or 3 (one at a time)"))?,
        is_hidden: is_visible.map(|visible| !visible).or(is_hidden).unwrap_or(true),
        sends_mail: fields.switch("enableemail")?.unwrap_or(false),
        mail_to: fields.text("emailoverride")?,
        check_interval: fields.number("checkinterval")?.unwrap_or(0),
        keep: fields.number("keepnr")?.unwrap_or(0),
        // The core refuses what is out of range.
        shares: i32::try_from(shares).unwrap_or(0),
        inputs: match fields.take("inputs") {
            Some(inputs) => inputs_of(Fields::within("inputs", inputs)?)?,
            None => Default::default(),
        },
    };
    Ok(JobsetWish { name, fields: described })
}

/// Passes jobsets whose expression lies in an input.
fn expression_only(fields: &mut Fields) -> Result<(), Error> {
    let flake = fields.optional_text("flake")?.or(fields.optional_text("flakeref")?).unwrap_or_default();
    match (fields.number("type")?, flake.as_str()) {
        (None | Some(0), "") => Ok(()),
        (None | Some(0 | 1), _) => Err(Error::malformed(
            "this server evaluates no flakes: name the input and the path of an expression, with type 0",
        )),
        (Some(number), _) => Err(Error::malformed(format!("no jobset is of type {number}: use 0"))),
    }
}

fn inputs_of(inputs: Fields) -> Result<std::collections::BTreeMap<String, JobsetInput>, Error> {
    let one = |(name, value): (String, Value)| {
        let input = input_of(Fields::within(&name, value)?)?;
        Ok((name, input))
    };
    inputs.rest().into_iter().map(one).collect()
}

/// Members that nobody reads, such as `revision`, are what clients copied from an evaluation.
fn input_of(mut input: Fields) -> Result<JobsetInput, Error> {
    let alternatives = input.texts("jobsetinputalts")?.unwrap_or_default();
    let value = match input.take("value") {
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::String(value)) => value,
        Some(Value::Number(value)) => value.to_string(),
        Some(_) => return Err(Error::malformed("the value of an input is a text")),
        None => alternatives.into_iter().next().unwrap_or_default(),
    };
    Ok(JobsetInput {
        kind: input_kind(&input.text("type")?)?,
        value,
        tells_committers: input.switch("emailresponsible")?.unwrap_or(false),
    })
}

/// Removes a jobset with all that belongs to it.
pub(crate) async fn delete(
    State(hydra): State<Hydra>,
    By(by): By,
    Address((project, name)): Address<(String, String)>,
) -> Result<Response, Failed> {
    hydra.farm.delete_jobset(&by, &project, &name).await?;
    Ok(answer::removed(&format!("{}/project/{project}", hydra.farm.settings().origin)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use ropewalk_core::port::InputKind;
    use serde_json::json;

    fn of(body: Value) -> Result<JobsetWish, Error> {
        wish(Fields::within("body", body).unwrap())
    }

    #[test]
    fn what_a_client_copies_from_elsewhere_does_no_harm() {
        let body = json!({ "inputs": {
            "src": { "type": "git", "value": "u", "revision": null, "uri": null },
            "flag": { "type": "boolean", "value": true },
            "old": { "type": "string", "jobsetinputalts": ["x", "y"] },
        } });
        let inputs = of(body).unwrap().fields.inputs;
        let read: Vec<_> =
            inputs.iter().map(|(name, input)| (name.as_str(), input.kind, input.value.as_str())).collect();
        assert_eq!(
            read,
            [
                ("flag", InputKind::Boolean, "true"),
                ("old", InputKind::String, "x"),
                ("src", InputKind::Git, "u")
            ]
        );
    }

    #[test]
    fn what_is_left_out_is_off() {
        let fields = of(json!({})).unwrap().fields;
        assert_eq!(
            (fields.enabled, fields.check_interval, fields.keep, fields.shares),
            (Enabled::Off, 0, 0, 1)
        );
        assert!(fields.is_hidden && !fields.sends_mail);
        assert_eq!(of(json!({ "enabled": true })).unwrap().fields.enabled, Enabled::On);
        for bad in [
            json!({ "enabled": 7 }),
            json!({ "type": 2 }),
            json!({ "type": 1, "flake": "x" }),
            json!({ "inputs": { "src": { "type": "zzz", "value": "" } } }),
            json!({ "inputs": [] }),
            json!({ "inputs": { "src": 5 } }),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
    }
}
