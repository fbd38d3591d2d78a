//! The first start on an empty data folder: an administrator, a token, and how to use them.

use crate::client::settings::{self, Saved};
use crate::config::Config;
use anyhow::Context;
use ropewalk_core::access::Caller;
use ropewalk_core::farm::Farm;
use ropewalk_core::identity::{Newcomer, TokenWish, new_secret};
use ropewalk_core::port::Role;
use ropewalk_model::grant::Grants;
use ropewalk_model::secret::Secret;
use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::{ErrorKind, IsTerminal, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the first administrator.
const ADMIN: &str = "admin";
/// What their first token is for.
const COMMENT: &str = "made by the first start";
/// Characters of their password: 20 of 64 make 120 bits.
const PASSWORD: usize = 20;

/// Makes the first administrator unless there is a user. Answers what a person must be told. A start that was killed
/// before it told that is made up for: nobody knows that password, so there is a new one.
pub(crate) async fn first_run(
    farm: &Arc<Farm>,
    config: &Config,
    data: &Path,
) -> anyhow::Result<Option<String>> {
    let untold = untold(data);
    if !untold.exists() && !farm.users(&Caller::Local, None, 1).await?.is_empty() {
        return Ok(None);
    }
    write_secret(&untold, "")?;
    let password: String = new_secret()?.reveal().chars().take(PASSWORD).collect();
    make_admin(farm, &password).await?;
    let wish = TokenWish { grants: Grants::All, comment: Some(COMMENT.into()), lifetime: None };
    let (_, token) = farm.create_token(&Caller::Local, ADMIN, wish).await?;
    let origin = config.origin();
    let saved = settings::save_first(&origin, token.reveal());

    let mut text = String::new();
    writeln!(text, "This is the first start. There is one user now:")?;
    match std::io::stdout().is_terminal() {
        true => writeln!(text, "\n    name      {ADMIN}\n    password  {password}\n    (shown only now)\n")?,
        false => {
            let file = data.join("first-run.txt");
            write_secret(&file, &format!("name {ADMIN}\npassword {password}\ntoken {}\n", token.reveal()))?;
            writeln!(text, "\n    name      {ADMIN}\n    password  in {}, with a token\n", file.display())?;
        }
    }
    match saved {
        Ok(Saved::In(path)) => {
            writeln!(text, "The client commands use the token in {}.", path.display())?;
        }
        Ok(Saved::Other { path, server }) => {
            let file = data.join("admin.token");
            write_secret(&file, &format!("{}\n", token.reveal()))?;
            let (path, file) = (path.display(), file.display());
            writeln!(text, "The client commands go on asking {server}, as {path} says. For this server:")?;
            writeln!(text, "\n    ropewalk list --server {origin} --token-file {file}")?;
        }
        Err(error) => writeln!(text, "The client's settings could not be written: {error:#}.")?,
    }
    write!(text, "\nFor hut, in ~/.config/hut/config:\n\n{}", hut(&origin, &token))?;
    Ok(Some(text))
}

/// The administrator with this password. What an earlier start made for nobody is taken back.
async fn make_admin(farm: &Arc<Farm>, password: &str) -> anyhow::Result<()> {
    let by = Caller::Local;
    if farm.user(&by, ADMIN).await.is_ok() {
        for token in farm.tokens(&by, ADMIN).await? {
            if token.comment.as_deref() == Some(COMMENT) {
                farm.revoke_token(&by, ADMIN, token.id).await?;
            }
        }
        return Ok(farm.set_password(&by, ADMIN, Secret::new(password)).await?);
    }
    let newcomer = Newcomer {
        name: ADMIN.into(),
        roles: [Role::Admin].into(),
        password: Some(Secret::new(password)),
        ..Newcomer::default()
    };
    farm.create_user(&by, newcomer).await?;
    Ok(())
}

/// There from before the administrator is made until somebody was told the password.
fn untold(data: &Path) -> PathBuf {
    data.join("first-run.untold")
}

/// The person was told.
pub(crate) fn told(data: &Path) -> anyhow::Result<()> {
    let path = untold(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The token is shown where the password is: on a terminal, once; else it stands for itself.
fn hut(origin: &str, token: &Secret) -> String {
    let token = match std::io::stdout().is_terminal() {
        true => token.reveal(),
        false => "TOKEN",
    };
    format!(
        "    instance \"ropewalk\" {{\n        access-token \"{token}\"\n        builds {{\n            origin \"{origin}\"\n        }}\n    }}\n"
    )
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Its name too.
        std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
