//! Logs of derivations.

use crate::answer::{Failed, led};
use crate::asked::Asked;
use crate::door::Hydra;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::nix::{DerivationLog, KeptLog};
use ropewalk_http::files::{self, Source};
use ropewalk_http::logs::{self, CONTENT_TYPE as PLAIN};
use ropewalk_http::parts::{Address, By};
use std::sync::Arc;

/// Lines of a log's end, where nothing else is asked for.
const TAIL: usize = 50;
/// Bytes of a log's end.
const TAIL_MAX: u64 = 256 << 10;

/// The log of a derivation by its base name, whole or its end.
pub(crate) async fn show(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(derivation): Address<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let log = hydra.farm.derivation_log(&by, &derivation).await?;
    match (asked.get("tail").map(|lines| lines.parse().unwrap_or(TAIL)), log) {
        (Some(lines), log) => end(&hydra.farm, &log, lines).await,
        (None, DerivationLog::Job(open)) => Ok(logs::answer(&hydra.farm, open, &headers).await?),
        (None, DerivationLog::Kept(log)) => {
            let size = log.size();
            Ok(files::answer(&headers, size, PLAIN, Kept { farm: hydra.farm.clone(), log }))
        }
    }
}

struct Kept {
    farm: Arc<Farm>,
    log: KeptLog,
}

impl Source for Kept {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.farm.read_kept_log(&self.log, from, length).await
    }
}

async fn end(farm: &Farm, log: &DerivationLog, lines: usize) -> Result<Response, Failed> {
    let size = match log {
        DerivationLog::Job(open) => farm.read_log(*open, 0, 0).await?.size,
        DerivationLog::Kept(log) => log.size(),
    };
    let from = size.saturating_sub(TAIL_MAX);
    let length = usize::try_from(size - from).unwrap_or(0);
    let bytes = match log {
        DerivationLog::Job(open) => farm.read_log(*open, from, length).await?.bytes,
        DerivationLog::Kept(log) => farm.read_kept_log(log, from, length).await?,
    };
    let body = Body::from(last_lines(&bytes, lines).to_vec());
    let headers = [(CONTENT_TYPE, PLAIN), (CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'")];
    Ok((headers, body).into_response())
}

/// The last lines of a text; a newline at its end begins none.
fn last_lines(bytes: &[u8], lines: usize) -> &[u8] {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut starts = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    match lines.checked_sub(1).map(|before| starts.nth(before)) {
        None => &[],
        Some(None) => bytes,
        Some(Some((at, _))) => bytes.get(at + 1..).unwrap_or_default(),
    }
}

/// Leads to the log of a build's derivation.
pub(crate) async fn of_build(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Response, Failed> {
    let address = address(&hydra, &by, id).await?;
    Ok(led(StatusCode::FOUND, &address))
}

pub(crate) async fn tail_of_build(
    State(hydra): State<Hydra>,
    By(by): By,
    Address(id): Address<i64>,
) -> Result<Response, Failed> {
    let address = address(&hydra, &by, id).await?;
    Ok(led(StatusCode::FOUND, &format!("{address}?tail={TAIL}")))
}

async fn address(hydra: &Hydra, by: &ropewalk_core::access::Caller, id: i64) -> Result<String, Error> {
    let build = hydra.farm.nix_build(by, id).await?;
    let name = build.drv_path.rsplit('/').next().unwrap_or_default();
    Ok(format!("{}/log/{name}", hydra.farm.settings().origin))
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_end_of_a_log_is_whole_lines() {
        for (text, lines, end) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 5, "a\nb\n"),
            ("a\n\n", 1, "\n"),
            ("a\n", 0, ""),
            ("", 3, ""),
        ] {
            assert_eq!(last_lines(text.as_bytes(), lines), end.as_bytes(), "{text:?} {lines}");
        }
    }
}
