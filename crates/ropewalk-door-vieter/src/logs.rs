//! `/api/v1/logs`: what agents say about their builds.

use crate::answer::{bare, data};
use crate::asked::Asked;
use crate::door::Asking;
use crate::incoming::{Most, receive};
use crate::targets::window;
use axum::response::Response;
use http::StatusCode;
use ropewalk_core::arch::Uploaded;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::port::{BuildLog, LogFilter};
use ropewalk_http::files;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Shown {
    id: i64,
    target_id: i64,
    start_time: i64,
    end_time: i64,
    arch: String,
    exit_code: i64,
}

impl From<BuildLog> for Shown {
    fn from(log: BuildLog) -> Shown {
        let BuildLog { id, target, start, end, arch, exit, .. } = log;
        Shown { id, target_id: target, start_time: start, end_time: end, arch, exit_code: exit }
    }
}

pub(crate) async fn list(asking: Asking<'_>) -> Result<Response, Error> {
    let Asking { farm, caller, asked, .. } = asking;
    let (exits, not_exits) = exit_codes(&asked.text("exit_codes"))?;
    let filter = LogFilter {
        target: asked.number("target")?,
        before: asked.number("before")?,
        after: asked.number("after")?,
        arch: asked.text("arch"),
        exits,
        not_exits,
    };
    let logs = farm.build_logs(caller, &filter, window(asked)?).await?;
    Ok(data(logs.into_iter().map(Shown::from).collect::<Vec<_>>()))
}

/// `1,2` are codes that are wanted, `!1,!2` codes that are not; empty elements are nothing.
fn exit_codes(list: &str) -> Result<(Vec<i64>, Vec<i64>), Error> {
    let (mut wanted, mut unwanted) = (vec![], vec![]);
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (codes, digits) = match word.strip_prefix('!') {
            Some(digits) => (&mut unwanted, digits),
            None => (&mut wanted, word),
        };
        let code = digits.parse::<i32>();
        codes.push(i64::from(code.map_err(|_| Error::malformed("Invalid exit code."))?));
    }
    const MOST: usize = 256;
    if wanted.len() + unwanted.len() > MOST {
        return Err(Error::malformed(format!("more than {MOST} exit codes")));
    }
    Ok((wanted, unwanted))
}

pub(crate) async fn show(asking: Asking<'_>, id: i64) -> Result<Response, Error> {
    Ok(data(Shown::from(asking.farm.build_log(asking.caller, id).await?)))
}

struct LogBytes {
    farm: Arc<Farm>,
    log: BuildLog,
}

impl files::Source for LogBytes {
    async fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.farm.read_build_log(&self.log, from, length).await
    }
}

pub(crate) async fn content(asking: Asking<'_>, id: i64) -> Result<Response, Error> {
    let log = asking.farm.build_log(asking.caller, id).await?;
    let size = log.blob.size;
    let source = LogBytes { farm: asking.farm.clone(), log };
    Ok(files::answer(asking.headers, size, "text/plain", source))
}

pub(crate) async fn upload(asking: Asking<'_>) -> Result<Response, Error> {
    let Asking { farm, incoming, caller, asked, headers, body, .. } = asking;
    let log = uploaded(asked)?;
    farm.check_build_log(caller, &log).await?;
    let most = Most { bytes: farm.settings().builds.log_step, key: "limits.log-step" };
    most.check(headers)?;
    let arrived = receive(body, most, incoming).await?;
    Ok(data(farm.keep_build_log(caller, log, &arrived.path()).await?))
}

fn uploaded(asked: &Asked) -> Result<Uploaded, Error> {
    let time = |name: &str, called: &str| {
        let time = asked.get(name).and_then(|text| text.parse().ok()).filter(|time: &i64| *time > 0);
        time.ok_or_else(|| Error::malformed(format!("Invalid or missing {called} time.")))
    };
    let (start, end) = (time("startTime", "start")?, time("endTime", "end")?);
    let exit = asked.get("exitCode").and_then(|text| text.parse().ok());
    let exit = exit.ok_or_else(|| Error::malformed("Missing exit code."))?;
    let arch = asked.get("arch").ok_or_else(|| Error::malformed("Missing parameter 'arch'."))?;
    let target = asked.get("target").and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(Uploaded { target, start, end, arch: arch.into(), exit })
}

pub(crate) async fn delete(asking: Asking<'_>, id: i64) -> Result<Response, Error> {
    asking.farm.delete_build_log(asking.caller, id).await?;
    Ok(bare(StatusCode::OK))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn exit_codes_are_wanted_or_not() {
        assert_eq!(exit_codes("1,,2, ").unwrap(), (vec![1, 2], vec![]));
        assert_eq!(exit_codes("!1,!2,-3").unwrap(), (vec![-3], vec![1, 2]));
        assert_eq!(exit_codes("").unwrap(), (vec![], vec![]));
        assert!(exit_codes("x").is_err() && exit_codes("!").is_err());
    }
}
