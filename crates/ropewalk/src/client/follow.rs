//! A job's logs as they are written, to the terminal.

use super::api::Api;
use super::sse::{Event, Events};
use crate::exit::Failure;
use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use tokio::time::Instant;

/// How long a server may be away while a job is followed: time enough for a restart.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// The server sends something at least every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// Writes all logs of a job to standard output, byte for byte, until it has ended. Answers the job as it is then.
pub(super) async fn follow(api: &Api, job: i64) -> anyhow::Result<Value> {
    let mut at: Option<String> = None;
    let mut heard = Instant::now();
    loop {
        match stream(api, job, &mut at, &mut heard).await {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => {}
            Err(error) if !is_passing(&error) => return Err(error),
            Err(error) if heard.elapsed() > PATIENCE => return Err(error),
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads one connection to its end. Some when the job has ended, none when the connection did.
async fn stream(
    api: &Api,
    job: i64,
    at: &mut Option<String>,
    heard: &mut Instant,
) -> anyhow::Result<Option<Value>> {
    let headers: Vec<_> = at.iter().map(|at| ("last-event-id", at.clone())).collect();
    let mut response = api.raw(&format!("/api/n1/jobs/{job}/live"), &headers).await?;
    let mut events = Events::default();
    loop {
        let bytes = match tokio::time::timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(bytes))) => bytes,
            Ok(Err(error)) => return Err(api.unreachable(&error)),
            Ok(Ok(None)) | Err(_) => return Ok(None),
        };
        *heard = Instant::now();
        for Event { id, name, data } in events.feed(&bytes) {
            let data: Value =
                serde_json::from_str(&data).context("the server sent an event that is no JSON")?;
            match name.as_str() {
                "log" => print(&data)?,
                "end" => return Ok(Some(data)),
                _ => {}
            }
            // Noted only when the bytes are written, so that a broken connection costs none.
            *at = id.or(at.take());
        }
    }
}

fn print(piece: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match (piece.get("text").and_then(Value::as_str), piece.get("base64").and_then(Value::as_str)) {
        (Some(text), _) => out.write_all(text.as_bytes())?,
        (None, Some(base64)) => out.write_all(&STANDARD.decode(base64)?)?,
        (None, None) => {
            anyhow::bail!("the server sent a piece of log without bytes: is it newer than this program?")
        }
    }
    Ok(out.flush()?)
}

fn is_passing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.passes)
}
