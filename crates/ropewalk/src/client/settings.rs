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
    /// Where both came from and how to choose others, for whoever is refused.
    pub(crate) choice: String,
}

impl Asking {
    /// Flags win over variables, those over the file.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let path = path()?;
        let file = read(&path)?;
        let variable = std::env::var("ROPEWALK_TOKEN").ok().filter(|token| !token.trim().is_empty());
        let (given, given_by) = match &self.token_file {
            Some(path) => (Some(token_of(path)?), path.display().to_string()),
            None => (variable, "ROPEWALK_TOKEN".into()),
        };
        let server = self.server.clone().or(file.server.clone()).unwrap_or_else(|| SERVER.into());
        let server = server.trim_end_matches('/').to_string();
        // The file's token is for the file's server: it is not sent to whatever a flag names.
        let own = file.server.as_deref().unwrap_or(SERVER).trim_end_matches('/') == server;
        let token_from = match (&given, &file.token) {
            (Some(_), _) => format!("the token of {given_by}"),
            (None, Some(_)) if own => format!("the token of {}", path.display()),
            _ => "no token".into(),
        };
        let choice = format!(
            "{server} was asked with {token_from}; --server and --token-file name others (ROPEWALK_SERVER, ROPEWALK_TOKEN)"
        );
        let token = given.or(file.token.filter(|_| own)).map(|token| token.trim().to_string());
        // Whoever pastes two lines, or a word with quotes of a text program, hears it from here: it is no fault of the server.
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::usage(format_args!(
                "{token_from} cannot be one: it holds a line break, a blank or another character that no token has"
            )));
        }
        Ok(Settings { server, token, choice })
    }
}

/// What became of the settings of a first start.
pub(crate) enum Saved {
    /// They are in this file.
    In(PathBuf),
    /// This file names another server, and stays as it was.
    Other { path: PathBuf, server: String },
}

/// Writes server and token of a first start. An earlier file for another server stays.
pub(crate) fn save_first(server: &str, token: &str) -> anyhow::Result<Saved> {
    let path = path()?;
    let held = read(&path)?;
    if let Some(held) = held.server.filter(|held| held.trim_end_matches('/') != server) {
        return Ok(Saved::Other { path, server: held });
    }
    let file = File { server: Some(server.into()), token: Some(token.into()) };
    write(&path, &toml::to_string(&file)?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Saved::In(path))
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
