//! `ropewalk user`.

use crate::client::api::Api;
use crate::client::print::{Form, table, text};
use crate::exit::{Exit, Failure};
use anyhow::Context;
use http::Method;
use serde_json::{Value, json};
use std::io::Read;

/// Accounts on the server of this data folder
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a user
    Create(Create),
    /// Replace a user's password by one from standard input
    Password {
        /// Name of the user
        name: String,
    },
    /// List users
    List(Form),
}

#[derive(clap::Args)]
struct Create {
    /// `[a-z_][a-z0-9_-]*`
    name: String,
    /// Mail address
    #[arg(long, default_value = "")]
    email: String,
    /// Make them an administrator
    #[arg(long)]
    admin: bool,
    /// Read a password from standard input; without it no password opens the account
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    form: Form,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::Create(create) => create.run(api).await,
        Command::Password { name } => replace_password(name, api).await,
        Command::List(form) => list(*form, api).await,
    }
}

impl Create {
    async fn run(&self, api: &Api) -> anyhow::Result<Exit> {
        let roles: &[&str] = if self.admin { &["admin"] } else { &[] };
        let password = if self.password_stdin { Some(password()?) } else { None };
        let body = json!({ "name": self.name, "email": self.email, "roles": roles, "password": password });
        let user: Value = api.ask(Method::POST, "/api/n1/users", Some(body)).await?;
        self.form.print(&user, |user| {
            let name = text(user, "name");
            vec![format!("user {name} is there; a token: ropewalk token create --user {name}")]
        })?;
        Ok(Exit::Success)
    }
}

async fn replace_password(name: &str, api: &Api) -> anyhow::Result<Exit> {
    let body = json!({ "password": password()? });
    let _: Value = api.ask(Method::PUT, &format!("{}/password", address(name)), Some(body)).await?;
    Ok(Exit::Success)
}

/// The address of a user. A name from the command line is any text.
pub(super) fn address(name: &str) -> String {
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/api/n1/users/{}", name.replace('+', "%20"))
}

async fn list(form: Form, api: &Api) -> anyhow::Result<Exit> {
    let mut users: Vec<Value> = vec![];
    loop {
        let after = users.last().map(|last| format!("?after={}", text(last, "name"))).unwrap_or_default();
        let part: Vec<Value> = api.get(&format!("/api/n1/users{after}")).await?;
        if part.is_empty() {
            break;
        }
        users.extend(part);
    }
    let columns = ["name", "email", "roles", "created"];
    form.print(&json!(users), |_| {
        let rows: Vec<Vec<String>> =
            users.iter().map(|user| columns.iter().map(|column| text(user, column)).collect()).collect();
        table(&columns, &rows)
    })?;
    Ok(Exit::Success)
}

/// The first line of standard input.
fn password() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(8192)
        .read_to_string(&mut text)
        .context("cannot read the password from standard input")?;
    let password = text.lines().next().unwrap_or_default().to_string();
    if password.is_empty() {
        return Err(Failure::usage("standard input holds no password"));
    }
    Ok(password)
}
