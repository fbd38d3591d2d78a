//! Commands of administrators: over the running server's socket, else on the data folder itself.

pub(crate) mod image;
pub(crate) mod token;
pub(crate) mod user;

use crate::client::api::Api;
use crate::client::block_on;
use crate::config::Loaded;
use crate::exit::Exit;
use crate::serve::parts::Parts;
use crate::serve::{lock, log_to_standard_error};
use std::path::Path;
use tokio::sync::watch;

/// Runs a command against the server that holds the data folder; where there is none, holds it meanwhile.
pub(crate) fn run(
    loaded: &Loaded,
    data: &Path,
    command: impl AsyncFnOnce(&Api) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let socket = data.join("admin.sock");
    block_on(async {
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return command(&Api::over_socket(&socket)?).await;
        }
        let _lock = lock::take(data)?;
        // There is no server whose log could say what went wrong.
        log_to_standard_error("warn")?;
        let parts = Parts::open(&loaded.config, data).await?;
        let (_stop, stopping) = watch::channel(false);
        let api = Api::here(parts.doors(&loaded.config, stopping)?);
        let done = command(&api).await;
        drop(api);
        parts.close().await;
        done
    })
}
