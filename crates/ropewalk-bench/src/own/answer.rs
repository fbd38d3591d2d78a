//! The bare answer: a server that does nothing but write one JSON value anew for each request.

use anyhow::Result;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::io::{Read, Write};
use std::sync::Arc;

/// Serves the value of standard input until that is closed; the address goes to standard output.
pub(super) fn serve() -> Result<()> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let value: Arc<Value> = Arc::new(serde_json::from_str(&line)?);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        #[allow(
            clippy::disallowed_methods,
            reason = "the floor is the library alone, without our route table"
        )]
        let router = Router::new().route("/", get(answer)).with_state(value);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
        let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut vec![]));
        let until = async { drop(closed.await) };
        tokio::select! {
            served = std::future::IntoFuture::into_future(axum::serve(listener, router)) => Ok(served?),
            () = until => Ok(()),
        }
    })
}

async fn answer(State(value): State<Arc<Value>>) -> Json<Shared> {
    Json(Shared(value))
}

/// A value that many answers write.
struct Shared(Arc<Value>);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}
