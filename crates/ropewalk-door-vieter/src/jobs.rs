//! `/api/v1/jobs`: builds that people queue and agents fetch.

use crate::answer::{bare, data};
use crate::asked::number;
use crate::door::Asking;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::error::{Error, Kind};

pub(crate) async fn queue(asking: Asking<'_>) -> Result<Response, Error> {
    let Asking { farm, caller, asked, .. } = asking;
    let missing = |name: &str| Error::malformed(format!("Missing {name} query arg."));
    let target = asked.get("target").ok_or_else(|| missing("target"))?;
    let arch = asked.get("arch").ok_or_else(|| missing("arch"))?;
    if arch.is_empty() {
        return Err(Error::malformed("Empty arch query arg."));
    }
    // Its presence counts, whatever its value.
    let force = asked.has("force");
    let queued = farm.queue_build(caller, number(target), arch, force).await;
    queued.map_err(|error| match error.kind {
        Kind::Missing => Error::malformed("Unknown target id."),
        _ => error,
    })?;
    Ok(bare(StatusCode::OK))
}

pub(crate) async fn poll(asking: Asking<'_>) -> Result<Response, Error> {
    let Asking { farm, caller, asked, .. } = asking;
    let missing = |name: &str| Error::malformed(format!("Missing {name} query arg."));
    let arch = asked.get("arch").ok_or_else(|| missing("arch"))?;
    let most = asked.get("max").ok_or_else(|| missing("max"))?;
    let most = most.parse::<i64>().map_or(0, |most| u32::try_from(most.max(0)).unwrap_or(u32::MAX));
    Ok(data(farm.poll_builds(caller, arch, most).await?))
}
