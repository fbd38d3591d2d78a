//! `ropewalk cancel`.

use super::api::Api;
use super::print::{Form, text};
use super::settings::Asking;
use crate::exit::Exit;
use http::Method;
use serde_json::Value;

/// End jobs
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Numbers of the jobs
    #[arg(required = true)]
    jobs: Vec<i64>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    for job in &arguments.jobs {
        let job: Value = api.ask(Method::POST, &format!("/api/n1/jobs/{job}/cancel"), None).await?;
        let line = |job: &Value| match text(job, "status").as_str() {
            "cancelled" => vec![format!("job {} is cancelled", text(job, "id"))],
            status => vec![format!("job {} is {status} and is being ended", text(job, "id"))],
        };
        arguments.form.print(&job, line)?;
    }
    Ok(Exit::Success)
}
