//! The servers that are measured in turns: each database, with and without a history.

use crate::arguments::Arguments;
use crate::engine::Engine;
use crate::http::Client;
use crate::server::{Parent, Server, without_settings};
use anyhow::{Context, Result, ensure};
use ropewalk_testkit::postgres::TestDatabase;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// One of them, with its folder and its database.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    /// Finished jobs that were there before anything was measured.
    pub(crate) history: u64,
    program: PathBuf,
    token: String,
    server: Option<Server>,
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl Stage {
    /// Makes an empty one and starts its server.
    pub(crate) async fn start(arguments: &Arguments, engine: Engine, history: u64) -> Result<Stage> {
        let folder = tempfile::tempdir_in(&arguments.folder)
            .with_context(|| format!("cannot make a folder in {}", arguments.folder.display()))?;
        let folder_path = folder.path().to_path_buf();
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(TestDatabase::try_create().await?),
        };
        let url = database.as_ref().map(|database| database.url());
        std::fs::create_dir(folder_path.join("data"))?;
        std::fs::write(folder_path.join("data/ropewalk.toml"), settings(arguments, url))?;
        let program = arguments.program.canonicalize();
        let program = program.with_context(|| format!("there is no {}", arguments.program.display()))?;
        let server = Server::start(&program, &folder_path, &Parent::Reaper)?;
        let token = token(&program, &folder_path)?;
        Ok(Stage { engine, history, program, token, server: Some(server), folder, database })
    }

    pub(crate) fn server(&self) -> Result<&Server> {
        self.server.as_ref().context("the server is not running")
    }

    /// A client of the administrator.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(self.server()?.client(Some(&self.token)))
    }

    /// Makes clients of the administrator, in tasks of their own.
    pub(crate) fn follower(&self) -> Result<impl Fn() -> Client + Send + 'static> {
        let (origin, token) = (self.server()?.origin.clone(), self.token.clone());
        Ok(move || Client::new(&origin, Some(&token)))
    }

    /// A client of anybody.
    pub(crate) fn visitor(&self) -> Result<Client> {
        Ok(self.server()?.client(None))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Address of its database.
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url().into(),
            None => format!("sqlite://{}", self.folder().join("data/ropewalk.db").display()),
        }
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Server::stop)
    }

    pub(crate) fn start_again(&mut self, parent: &Parent) -> Result<()> {
        self.stop()?;
        self.server = Some(Server::start(&self.program, self.folder.path(), parent)?);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Before its database goes.
        self.server = None;
    }
}

/// Limits on strangers would be measured instead of the server.
fn settings(arguments: &Arguments, database: Option<&str>) -> String {
    let slots = slots();
    let network = arguments.network.word();
    let database = database.map_or_else(String::new, |url| format!("[database]\nurl = {url:?}\n"));
    format!(
        "log = \"warn\"\n\
         [limits]\n\
         requests-anonymous = 1000000\n\
         requests-token = 1000000\n\
         connections-per-address = 4096\n\
         log-step = 1073741824\n\
         [runner]\n\
         slots = {slots}\n\
         [sandbox]\n\
         network = \"{network}\"\n\
         {database}"
    )
}

/// Builds at the same time: as many as the machine has processors.
pub(crate) fn slots() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn token(program: &Path, folder: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.arg("--data").arg(folder.join("data"));
    command.args(["token", "create", "--user", "admin", "--comment", "bench"]);
    let output = without_settings(&mut command, folder).output()?;
    let words = output.stderr.escape_ascii();
    ensure!(output.status.success(), "a token could not be made: {words}");
    Ok(str::from_utf8(&output.stdout)?.trim().into())
}
