//! Which server the client commands ask, and with which token.

use crate::exit::Failure;
use crate::text::{self, SETTINGS_MAX};
use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where `serve` listens by default.
const SERVER: &str = "http://127.0.0.1:8420";

/// `~/.config/ropewalk/client.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    server: Option<String>,
    token: Option<String>,
}

/// Flags that every client command takes.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Asking {
    /// Address of the server [default: that of client.toml, else http://127.0.0.1:8420]
    #[arg(long, value_name = "URL", env = "ROPEWALK_SERVER")]
    server: Option<String>,
    /// File that holds a token; the variable ROPEWALK_TOKEN holds one itself
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Whom to ask, and as whom.
pub(crate) struct Settings {
    pub(crate) server: String,
    pub(crate) token: Option<String>,
}

impl Asking {
    /// Flags win over variables, those over the file.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let file = read(&path()?)?;
        let given = match &self.token_file {
            Some(path) => Some(token_of(path)?),
            None => std::env::var("ROPEWALK_TOKEN").ok().filter(|token| !token.trim().is_empty()),
        };
        let server = self.server.clone().or(file.server.clone()).unwrap_or_else(|| SERVER.into());
        let server = server.trim_end_matches('/').to_string();
        // The file's token is for the file's server: it is not sent to whatever a flag names.
        let own = file.server.as_deref().unwrap_or(SERVER).trim_end_matches('/') == server;
        let token = given.or(file.token.filter(|_| own)).map(|token| token.trim().to_string());
        Ok(Settings { server, token })
    }
}

/// Writes server and token of a first start. An earlier file for another server stays; none is returned then.
pub(crate) fn save_first(server: &str, token: &str) -> anyhow::Result<Option<PathBuf>> {
    let path = path()?;
    let held = read(&path)?;
    if held.server.is_some_and(|held| held.trim_end_matches('/') != server) {
        return Ok(None);
    }
    let file = File { server: Some(server.into()), token: Some(token.into()) };
    write(&path, &toml::to_string(&file)?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(path))
}

fn path() -> anyhow::Result<PathBuf> {
    let given = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = given.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    Ok(base.context("there is no HOME to keep settings in")?.join("ropewalk/client.toml"))
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = match text::read(path, SETTINGS_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(File::default()),
        other => other.with_context(|| format!("cannot read {}", path.display()))?,
    };
    toml::from_str(&text)
        .map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", path.display())))
}

fn token_of(path: &Path) -> anyhow::Result<String> {
    text::read(path, SETTINGS_MAX).map_err(|error| {
        Failure::usage(format_args!("cannot read the token file {}: {error}", path.display()))
    })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let fresh = path.with_extension("toml.new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}
