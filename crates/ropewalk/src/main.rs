//! The binary: commands and wiring, no branch about builds.

mod admin;
mod client;
mod config;
mod data;
mod doctor;
mod exit;
mod papers;
mod run;
mod serve;
mod supervise;
mod text;
mod tls;

use clap::{CommandFactory, Parser, Subcommand};
use config::Loaded;
use exit::Exit;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A self-hosted build farm in one binary.
#[derive(Parser)]
#[command(name = "ropewalk", version, disable_help_subcommand = true)]
struct Arguments {
    /// Folder of everything that is kept: database, logs, images, spools.
    #[arg(long, global = true, value_name = "DIR", env = "ROPEWALK_DATA")]
    data: Option<PathBuf>,
    /// Configuration [default: ropewalk.toml in the data folder].
    #[arg(long, global = true, value_name = "FILE", env = "ROPEWALK_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// One file each.
#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Serve(serve::Arguments),
    Submit(client::Submit),
    Show(client::Show),
    List(client::List),
    Logs(client::Logs),
    Cancel(client::Cancel),
    Artifacts(client::Artifacts),
    User(admin::user::Arguments),
    Token(admin::token::Arguments),
    Image(admin::image::Arguments),
    Doctor(doctor::Arguments),
    Completions(papers::Completions),
    Man(papers::Man),
}

/// What the program starts of itself. Nobody else calls it, so no help, page or completion names it.
#[derive(Parser)]
enum Own {
    Supervise(supervise::Arguments),
    Clean(supervise::Arguments),
}

// No async runtime here: a supervisor must have one thread. Commands that need one start it.
fn main() -> ExitCode {
    if let Some(exit) = ropewalk_runner::inside::run_if_asked() {
        return exit;
    }
    exit::report(match Own::try_parse() {
        Ok(Own::Supervise(arguments)) => supervise::supervise(&arguments),
        Ok(Own::Clean(arguments)) => supervise::clean(&arguments),
        Err(_) => Arguments::parse().run(),
    })
}

impl Arguments {
    fn run(self) -> anyhow::Result<Exit> {
        match &self.command {
            Command::Run(arguments) => {
                self.with_config(&[], |loaded, data| run::run(arguments, &loaded.config, data))
            }
            Command::Serve(arguments) => self.with_config(&arguments.keys(), serve::serve),
            Command::Submit(arguments) => {
                client::run(&arguments.asking, async |api| client::submit(arguments, api).await)
            }
            Command::Show(arguments) => {
                client::run(&arguments.asking, async |api| client::show(arguments, api).await)
            }
            Command::List(arguments) => {
                client::run(&arguments.asking, async |api| client::list(arguments, api).await)
            }
            Command::Logs(arguments) => {
                client::run(&arguments.asking, async |api| client::logs(arguments, api).await)
            }
            Command::Cancel(arguments) => {
                client::run(&arguments.asking, async |api| client::cancel(arguments, api).await)
            }
            Command::Artifacts(arguments) => {
                client::run(&arguments.asking, async |api| client::artifacts(arguments, api).await)
            }
            Command::User(arguments) => self.administer(async |api| admin::user::run(arguments, api).await),
            Command::Token(arguments) => self.administer(async |api| admin::token::run(arguments, api).await),
            Command::Image(arguments) => self.with_config(&[], |loaded, data| {
                admin::image::run(arguments, &loaded.config.origins(), data)
            }),
            Command::Doctor(arguments) => {
                self.with_config(&[], |loaded, data| doctor::run(arguments, loaded, data))
            }
            Command::Completions(arguments) => papers::completions(arguments, Arguments::command()),
            Command::Man(arguments) => papers::man(arguments, Arguments::command()),
        }
    }

    fn data(&self) -> anyhow::Result<PathBuf> {
        data::folder(self.data.as_ref())
    }

    fn with_config(
        &self,
        flags: &[(&'static str, String)],
        command: impl FnOnce(&Loaded, &Path) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        let data = self.data()?;
        command(&config::load(self.config.as_deref(), &data, flags)?, &data)
    }

    fn administer(
        &self,
        command: impl AsyncFnOnce(&client::api::Api) -> anyhow::Result<Exit>,
    ) -> anyhow::Result<Exit> {
        self.with_config(&[], |loaded, data| admin::run(loaded, data, command))
    }
}
