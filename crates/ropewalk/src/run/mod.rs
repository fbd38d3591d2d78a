//! `ropewalk run`: a manifest here and now, with the plan, supervisor and sandbox of a server, and no server.

mod build;
mod check;
mod manifest;
mod secrets;
mod sweep;
mod worktree;

use crate::config::Config;
use crate::exit::Exit;
use std::path::{Path, PathBuf};

/// Run a manifest here, in a sandbox, without a server; the exit code is the result
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The manifest, `-` for standard input [default: .build.yml]
    manifest: Option<PathBuf>,
    /// Only say whether a server would accept it: plan to standard output, problems to standard error
    #[arg(long)]
    check: bool,
    /// Clone the current repository from its URL instead of taking the working tree
    #[arg(long)]
    clone: bool,
    /// Secrets that the manifest may name, as TOML
    #[arg(long, value_name = "FILE")]
    secrets_file: Option<PathBuf>,
    /// Another image than the manifest's
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
}

pub(crate) fn run(arguments: &Arguments, config: &Config, data: &Path) -> anyhow::Result<Exit> {
    let text = manifest::read(arguments.manifest.as_deref())?;
    if arguments.check {
        return check::check(&text, arguments, config, data);
    }
    let plan = manifest::plan(&text, arguments, config)?;
    let values = secrets::values(&plan, arguments.secrets_file.as_deref())?;
    let trees = if arguments.clone { vec![] } else { worktree::of_sources(&plan)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reach =
        build::Reach { network: config.sandbox.clone().open_network(None), origins: config.origins() };
    runtime.block_on(build::build(data, reach, plan, &values, &trees))
}
