//! One log, live.

use super::text::{Piece, encode, log_name, whole};
use super::{EVENT_MAX, answer, event};
use crate::Web;
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use ropewalk_core::access::Caller;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::{OpenLog, PACE};
use ropewalk_http::metrics::StreamCount;
use std::sync::Arc;
use tokio::time::Instant;

struct Follower {
    farm: Arc<Farm>,
    open: OpenLog,
    at: u64,
    sent: Option<Instant>,
    ended: bool,
    _count: StreamCount,
}

/// Streams a log from an offset on: the first bytes after a silence at once, then at most ten batches a second.
pub(crate) async fn stream(web: &Web, by: Caller, open: OpenLog, from: u64) -> Result<Response, Error> {
    let now = web.farm.read_log(open, from, 0).await?;
    if now.complete && from > 0 && from >= now.size {
        // A browser's EventSource comes back for ever until it is told so.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let follower = Follower {
        farm: web.farm.clone(),
        open,
        at: from,
        sent: None,
        ended: false,
        _count: web.metrics.stream(),
    };
    Ok(answer(web, by, open.job(), stream::unfold(follower, next)))
}

async fn next(mut follower: Follower) -> Option<(Event, Follower)> {
    if follower.ended {
        return None;
    }
    let event = match follower.next().await {
        Ok(event) => event,
        Err(error) => {
            tracing::warn!("a live log broke off: {error}");
            return None;
        }
    };
    Some((event, follower))
}

impl Follower {
    async fn next(&mut self) -> Result<Event, Error> {
        if let Some(sent) = self.sent {
            tokio::time::sleep_until(sent + PACE).await;
        }
        loop {
            let slice = self.farm.read_log(self.open, self.at, EVENT_MAX).await?;
            let known = slice.size.max(self.at);
            if let Some(bytes) = slice.bytes.get(..whole(&slice.bytes)).filter(|bytes| !bytes.is_empty()) {
                let piece = Piece { log: log_name(self.open), offset: self.at, bytes: encode(bytes) };
                self.at += bytes.len() as u64;
                self.sent = Some(Instant::now());
                return Ok(event("log", &piece).id(self.at.to_string()));
            }
            if slice.complete && self.at >= slice.size {
                self.ended = true;
                let size = slice.size;
                return Ok(
                    event("end", &serde_json::json!({ "size": size })).id(self.at.max(size).to_string())
                );
            }
            self.farm.log_grown(self.open, known).await;
        }
    }
}
