//! `ropewalk show`.

use super::api::Api;
use super::print::{Form, table, text};
use super::settings::Asking;
use crate::exit::Exit;
use serde_json::Value;

/// Show a job with its steps and files
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Number of the job
    job: i64,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    let job: Value = api.get(&format!("/api/n1/jobs/{}", arguments.job)).await?;
    arguments.form.print(&job, lines)?;
    Ok(Exit::Success)
}

fn lines(job: &Value) -> Vec<String> {
    let mut lines =
        vec![format!("job {} of ~{}: {}", text(job, "id"), text(job, "owner"), text(job, "status"))];
    for field in [
        "cause",
        "message",
        "url",
        "visibility",
        "image",
        "runner",
        "tags",
        "note",
        "created",
        "started",
        "ended",
    ] {
        let value = text(job, field);
        if !value.is_empty() {
            lines.push(format!("  {field:<10} {value}"));
        }
    }
    if let Some(waiting) = job.get("waiting").filter(|waiting| !waiting.is_null()) {
        lines.push(format!("  {:<10} {}", "waits", text(waiting, "text")));
    }
    lines.extend(part(job, "steps", &["position", "name", "status", "exit", "log_bytes"]));
    lines.extend(part(job, "artifacts", &["id", "path", "size", "sha256"]));
    lines
}

fn part(job: &Value, name: &str, columns: &[&str]) -> Vec<String> {
    let Some(items) = job.get(name).and_then(Value::as_array).filter(|items| !items.is_empty()) else {
        return vec![];
    };
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|column| text(item, column)).collect()).collect();
    std::iter::once(String::new()).chain(table(columns, &rows)).collect()
}
