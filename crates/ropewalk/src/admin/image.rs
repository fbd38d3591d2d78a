//! `ropewalk image`: the images of this data folder. They need no server: a running one finds them at once.

use crate::client::print::{Form, table, text};
use crate::exit::Exit;
use ropewalk_runner::image::Catalog;
use ropewalk_runner::sandbox::range;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The image that every machine has: its own system.
const HOST: &str = "host";

/// Images that builds can use
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List images
    List(Form),
    /// Take in an OCI layout or archive, or the tar of a root file system
    Import {
        /// Where it lies
        source: PathBuf,
        /// What manifests call it
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Remove an image
    Remove {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(arguments: &Arguments, data: &Path) -> anyhow::Result<Exit> {
    let catalog = Catalog::new(data, range::find()?);
    match &arguments.command {
        Command::List(form) => list(&catalog, *form)?,
        Command::Import { source, name, form } => {
            let entry = catalog.import(source, name)?;
            let line = format!("{} is there: {}", entry.name, entry.digest);
            form.print(&serde_json::to_value(entry)?, |_| vec![line])?;
        }
        Command::Remove { name } => catalog.remove(name)?,
    }
    Ok(Exit::Success)
}

fn list(catalog: &Catalog, form: Form) -> anyhow::Result<()> {
    let mut images: Vec<Value> = vec![json!({ "name": HOST, "source": "this machine's own system" })];
    for entry in catalog.list()? {
        images.push(serde_json::to_value(entry)?);
    }
    let columns = ["name", "digest", "source"];
    form.print(&json!(images), |_| {
        let rows: Vec<Vec<String>> =
            images.iter().map(|image| columns.iter().map(|column| text(image, column)).collect()).collect();
        table(&columns, &rows)
    })
}
