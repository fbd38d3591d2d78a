//! `ropewalk artifacts`.

use super::api::Api;
use super::print::{Form, table, text};
use super::settings::Asking;
use crate::exit::Exit;
use anyhow::Context;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// List a job's files, or download them
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Number of the job
    job: i64,
    /// Download them into this folder; what is there is not replaced
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    let address = format!("/api/n1/jobs/{}/artifacts", arguments.job);
    let files: Value = api.get(&address).await?;
    let items = files.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(folder) = &arguments.output {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for file in items {
            download(api, &format!("{address}/{}", text(file, "id")), &target(folder, file)).await?;
        }
    }
    arguments.form.print(&files, |_| {
        let columns = ["id", "path", "size", "sha256"];
        let rows: Vec<Vec<String>> =
            items.iter().map(|file| columns.iter().map(|column| text(file, column)).collect()).collect();
        table(&columns, &rows)
    })?;
    Ok(Exit::Success)
}

/// The build chose the path: only its last part becomes a name, and nothing that leads elsewhere.
fn target(folder: &Path, file: &Value) -> PathBuf {
    let path = text(file, "path");
    let last: String =
        path.rsplit('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let name = match last.as_str() {
        "" | "." | ".." => format!("artifact-{}", text(file, "id")),
        _ => last,
    };
    folder.join(name)
}

async fn download(api: &Api, address: &str, target: &Path) -> anyhow::Result<()> {
    let mut response = api.raw(address, &[]).await?;
    let explain = || format!("cannot write {}", target.display());
    let mut file = File::create_new(target).with_context(explain)?;
    while let Some(bytes) = response.chunk().await.map_err(|error| api.unreachable(&error))? {
        file.write_all(&bytes).with_context(explain)?;
    }
    file.sync_all().with_context(explain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_of_the_build_leads_nowhere_else() {
        let name = |path: &str| target(Path::new("/x"), &json!({ "id": 7, "path": path }));
        assert_eq!(name("out/a.tar"), Path::new("/x/a.tar"));
        for path in ["..", "a/..", "/", "", "out/."] {
            assert_eq!(name(path), Path::new("/x/artifact-7"), "{path}");
        }
        assert_eq!(name("/etc/passwd\n"), Path::new("/x/passwd"));
    }
}
