//! `ropewalk logs`.

use super::api::Api;
use super::follow::follow;
use super::settings::Asking;
use super::submit::conclude;
use crate::exit::{Exit, Failure};
use serde_json::Value;
use std::io::Write;

/// Print a job's logs: that of the set-up, then those of its steps
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Number of the job
    job: i64,
    /// Only this step, by its name or position; `setup` for what happened around the steps
    step: Option<String>,
    /// Go on until the job has ended; the exit code is the result
    #[arg(long, short, conflicts_with = "step")]
    follow: bool,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    if arguments.follow {
        return Ok(conclude(&follow(api, arguments.job).await?));
    }
    let steps: Value = api.get(&format!("/api/n1/jobs/{}/steps", arguments.job)).await?;
    let steps = steps.as_array().map(Vec::as_slice).unwrap_or_default();
    for log in arguments.names(steps)? {
        let address = format!("/api/n1/jobs/{}/logs/{log}", arguments.job);
        let mut response = api.raw(&address, &[]).await?;
        let mut out = std::io::stdout().lock();
        while let Some(bytes) = response.chunk().await.map_err(|error| api.unreachable(&error))? {
            out.write_all(&bytes)?;
        }
        out.flush()?;
    }
    Ok(Exit::Success)
}

impl Arguments {
    /// Names of the logs as the API has them.
    fn names(&self, steps: &[Value]) -> anyhow::Result<Vec<String>> {
        let position = |step: &Value| step.get("position").map(Value::to_string).unwrap_or_default();
        let Some(wanted) = &self.step else {
            return Ok(std::iter::once("setup".to_string()).chain(steps.iter().map(position)).collect());
        };
        let is_named = |step: &&Value| step.get("name").and_then(Value::as_str) == Some(wanted);
        let found = steps.iter().find(is_named).map(position);
        let found = found.or_else(|| steps.iter().map(position).find(|position| position == wanted));
        let found = found.or_else(|| (wanted == "setup").then(|| "setup".to_string()));
        let job = self.job;
        Ok(vec![found.ok_or_else(|| Failure::usage(format_args!("job {job} has no step {wanted:?}")))?])
    }
}
