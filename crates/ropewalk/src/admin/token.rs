//! `ropewalk token`.

use super::user;
use crate::client::api::Api;
use crate::client::print::{Form, table, text};
use crate::exit::Exit;
use http::Method;
use serde_json::{Value, json};
use std::io::Write;

/// Access tokens on the server of this data folder
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a token; prints it and nothing else on standard output
    Create(Create),
    /// List a user's tokens
    List(Owned),
    /// End a token at once
    Revoke(Revoke),
}

#[derive(clap::Args)]
struct Owned {
    /// Whose
    #[arg(long)]
    user: String,
    #[command(flatten)]
    form: Form,
}

#[derive(clap::Args)]
struct Create {
    #[command(flatten)]
    owned: Owned,
    /// Such as "JOBS:RW LOGS"; empty: all that the user may do
    #[arg(long, default_value = "")]
    grants: String,
    /// What it is for
    #[arg(long)]
    comment: Option<String>,
    /// Days that it is valid [default: until it is revoked]
    #[arg(long)]
    days: Option<u64>,
}

#[derive(clap::Args)]
struct Revoke {
    /// Number of the token
    token: i64,
    /// Whose
    #[arg(long)]
    user: String,
}

pub(crate) async fn run(arguments: &Arguments, api: &Api) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::Create(create) => create.run(api).await,
        Command::List(owned) => list(owned, api).await,
        Command::Revoke(Revoke { token, user }) => {
            let _: Value = api.ask(Method::DELETE, &format!("{}/{token}", address(user)), None).await?;
            Ok(Exit::Success)
        }
    }
}

impl Create {
    async fn run(&self, api: &Api) -> anyhow::Result<Exit> {
        let Owned { user, form } = &self.owned;
        let lifetime = self.days.map(|days| days.saturating_mul(24 * 3600));
        let body = json!({ "grants": self.grants, "comment": self.comment, "lifetime": lifetime });
        let made: Value = api.ask(Method::POST, &address(user), Some(body)).await?;
        if form.json {
            form.print(&made, |_| vec![])?;
        } else {
            writeln!(std::io::stdout(), "{}", text(&made, "secret"))?;
        }
        Ok(Exit::Success)
    }
}

async fn list(Owned { user, form }: &Owned, api: &Api) -> anyhow::Result<Exit> {
    let tokens: Vec<Value> = api.get(&address(user)).await?;
    let columns = ["id", "grants", "comment", "created", "expires", "last_used"];
    form.print(&json!(tokens), |_| {
        let rows: Vec<Vec<String>> =
            tokens.iter().map(|token| columns.iter().map(|column| text(token, column)).collect()).collect();
        table(&columns, &rows)
    })?;
    Ok(Exit::Success)
}

fn address(user: &str) -> String {
    format!("{}/tokens", user::address(user))
}
