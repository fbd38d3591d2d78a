//! Pages through the real program, by a client that runs no script.

mod browser;
mod hostile;
mod logs;
mod pages;
mod sessions;
mod visitor;

use crate::server::{Engine, Server};

/// A server that takes jobs and runs none.
async fn idle() -> Server {
    Server::start_with(Engine::Sqlite, &["--no-runner"]).await
}
