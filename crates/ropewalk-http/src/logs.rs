//! Answers that carry the bytes of a log.

use crate::files::{self, Source};
use axum::response::Response;
use http::HeaderMap;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::OpenLog;
use std::sync::Arc;

/// Type of all logs.
pub const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

/// The bytes of a log that somebody may read.
pub struct LogBytes {
    /// Knows them.
    pub farm: Arc<Farm>,
    /// Which.
    pub open: OpenLog,
}

impl Source for LogBytes {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        Ok(self.farm.read_log(self.open, from, length).await?.bytes)
    }
}

/// Answers with what a log holds now, or the part of it that the request's headers ask for.
pub async fn answer(farm: &Arc<Farm>, open: OpenLog, headers: &HeaderMap) -> Result<Response, Error> {
    let size = farm.read_log(open, 0, 0).await?.size;
    Ok(files::answer(headers, size, CONTENT_TYPE, LogBytes { farm: farm.clone(), open }))
}
