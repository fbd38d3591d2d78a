//! Commands that ask a server.

pub(crate) mod api;
mod artifacts;
mod cancel;
mod follow;
mod list;
mod logs;
pub(crate) mod print;
pub(crate) mod settings;
mod show;
mod sse;
mod submit;

use crate::exit::Exit;
use api::Api;
use settings::{Asking, Settings};

pub(crate) use artifacts::{Arguments as Artifacts, run as artifacts};
pub(crate) use cancel::{Arguments as Cancel, run as cancel};
pub(crate) use list::{Arguments as List, run as list};
pub(crate) use logs::{Arguments as Logs, run as logs};
pub(crate) use show::{Arguments as Show, run as show};
pub(crate) use submit::{Arguments as Submit, run as submit};

/// Runs a client command; Ctrl-C ends it and leaves the jobs alone.
pub(crate) fn run(
    asking: &Asking,
    command: impl AsyncFnOnce(&Api) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let Settings { server, token, choice } = asking.settings()?;
    let api = Api::over_network(&server, token, choice)?;
    block_on(async {
        tokio::select! {
            exit = command(&api) => exit,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        }
    })
}

/// Runs a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
