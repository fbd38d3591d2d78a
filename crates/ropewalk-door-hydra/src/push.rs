//! The wish that jobsets be evaluated now.

use crate::answer::Failed;
use crate::asked::Asked;
use crate::door::Hydra;
use axum::Json;
use axum::extract::State;
use ropewalk_core::error::Error;
use ropewalk_core::nix::Push;
use ropewalk_http::parts::By;
use serde_json::{Value, json};

pub(crate) async fn push(
    State(hydra): State<Hydra>,
    By(by): By,
    asked: Asked,
) -> Result<Json<Value>, Failed> {
    let jobsets = asked.list("jobsets").into_iter().map(jobset).collect::<Result<_, _>>()?;
    let repos = asked.list("repos").into_iter().map(String::from).collect();
    let push = Push { jobsets, repos, is_forced: asked.get("force").is_some() };
    let pushed = hydra.farm.push(&by, push).await?;
    Ok(Json(json!({ "jobsetsTriggered": pushed.0 })))
}

fn jobset(text: &str) -> Result<(String, String), Error> {
    match text.split_once(':') {
        Some((project, jobset)) if !project.is_empty() && !jobset.is_empty() && !jobset.contains(':') => {
            Ok((project.into(), jobset.into()))
        }
        _ => Err(Error::malformed("`jobsets` is a comma list of PROJECT:JOBSET")),
    }
}
