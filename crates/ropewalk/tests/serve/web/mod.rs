//! Pages through the real program, by a client that runs no script.

mod browser;
mod hidden;
mod logs;
mod pages;
mod sessions;
pub(crate) mod visitor;

use crate::server::{Engine, Server};

/// A server that takes jobs and runs none.
pub(crate) async fn idle() -> Server {
    Server::start_with(Engine::Sqlite, &["--no-runner"]).await
}
