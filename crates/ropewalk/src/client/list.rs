//! `ropewalk list`.

use super::api::Api;
use super::print::{Form, table, text};
use super::settings::Asking;
use crate::exit::Exit;
use serde_json::{Value, json};

/// List jobs, newest first
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only jobs of this user
    #[arg(long)]
    owner: Option<String>,
    /// Only jobs in this status
    #[arg(long)]
    status: Option<String>,
    /// At most so many
    #[arg(long, short, default_value_t = 25)]
    count: usize,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// Jobs of one request.
const PART: usize = 100;

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    let mut jobs = vec![];
    let mut before = None;
    while jobs.len() < arguments.count {
        let part: Value = api.get(&arguments.address(arguments.count - jobs.len(), before)).await?;
        jobs.extend(part.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
        before = part.get("next").and_then(Value::as_i64);
        if before.is_none() {
            break;
        }
    }
    arguments.form.print(&json!(jobs), |_| lines(&jobs))?;
    Ok(Exit::Success)
}

impl Arguments {
    fn address(&self, missing: usize, before: Option<i64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::from("/api/n1/jobs?"));
        query.append_pair("limit", &missing.min(PART).to_string());
        for (name, value) in [
            ("owner", self.owner.clone()),
            ("status", self.status.clone()),
            ("before", before.map(|b| b.to_string())),
        ] {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}

fn lines(jobs: &[Value]) -> Vec<String> {
    let columns = ["id", "status", "cause", "owner", "image", "tags", "created"];
    let rows: Vec<Vec<String>> =
        jobs.iter().map(|job| columns.iter().map(|column| text(job, column)).collect()).collect();
    table(&columns, &rows)
}
