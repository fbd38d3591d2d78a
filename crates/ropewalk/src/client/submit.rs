//! `ropewalk submit`.

use super::api::Api;
use super::follow::follow;
use super::print::{Form, text};
use super::settings::Asking;
use crate::exit::{Exit, Failure};
use http::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Manifests that are looked for when none is named.
const DEFAULTS: &[&str] = &[".build.yml", ".build.yaml"];

/// Submit manifests; with --follow, print the log until the end: the exit code is the result
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Manifests, `-` for standard input [default: .build.yml]
    manifests: Vec<PathBuf>,
    /// Print the log until the job has ended
    #[arg(long, short)]
    follow: bool,
    /// Free text, markdown
    #[arg(long, short)]
    note: Option<String>,
    /// Tags, divided by slashes
    #[arg(long, short)]
    tags: Option<String>,
    /// public, unlisted or private
    #[arg(long, default_value = "unlisted")]
    visibility: String,
    /// Give the build no secrets
    #[arg(long)]
    no_secrets: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    let manifests = arguments.read()?;
    if arguments.follow && manifests.len() != 1 {
        return Err(Failure::usage("--follow takes one manifest"));
    }
    let mut exit = Exit::Success;
    for manifest in manifests {
        let job: Value = api.ask(Method::POST, "/api/n1/jobs", Some(arguments.body(&manifest))).await?;
        if !arguments.follow {
            arguments.form.print(&job, |job| vec![text(job, "url")])?;
            continue;
        }
        let _ = writeln!(std::io::stderr(), "{}", text(&job, "url"));
        let number = job.get("id").and_then(Value::as_i64).unwrap_or_default();
        let ended = follow(api, number).await?;
        exit = conclude(&ended);
    }
    Ok(exit)
}

/// Says how a job ended.
pub(super) fn conclude(job: &Value) -> Exit {
    let (id, status, cause) = (text(job, "id"), text(job, "status"), text(job, "cause"));
    let cause = if cause.is_empty() { cause } else { format!(" ({cause})") };
    let _ = writeln!(std::io::stderr(), "job {id}: {}{cause}", status.to_uppercase());
    if status == "success" { Exit::Success } else { Exit::Failed }
}

impl Arguments {
    fn body(&self, manifest: &str) -> Value {
        let mut body = json!({ "manifest": manifest, "visibility": self.visibility });
        if let Value::Object(fields) = &mut body {
            fields.extend(self.note.clone().map(|note| ("note".into(), note.into())));
            fields.extend(self.tags.clone().map(|tags| ("tags".into(), json!([tags]))));
            fields.extend(self.no_secrets.then(|| ("secrets".into(), false.into())));
        }
        body
    }

    fn read(&self) -> anyhow::Result<Vec<String>> {
        if !self.manifests.is_empty() {
            return self.manifests.iter().map(|path| read(path)).collect();
        }
        let found = DEFAULTS.iter().map(PathBuf::from).find(|path| path.exists());
        let found = found.ok_or_else(|| {
            Failure::usage("there is no .build.yml here: name a manifest, or `-` for standard input")
        })?;
        Ok(vec![read(&found)?])
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    crate::text::read_manifest(path)
        .map_err(|error| Failure::usage(format_args!("cannot read the manifest {}: {error}", path.display())))
}
