//! Logs of builds, as agents upload them.

use super::builds::AGENT;
use super::targets::{bounded, is_nowhere};
use super::words;
use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::port::{BuildLog, LogFilter, NewLog, Window};
use ropewalk_model::grant::Mode;
use ropewalk_model::work::Requirement;
use std::path::Path;

/// Old logs that one transaction removes.
const PAGE: u32 = 50;

/// What an agent says about a log.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields of a log")]
pub struct Uploaded {
    pub target: i64,
    /// Seconds since 1970.
    pub start: i64,
    /// Seconds since 1970.
    pub end: i64,
    pub arch: String,
    pub exit: i32,
}

impl Farm {
    /// Passes logs that [`Farm::keep_build_log`] will take, before their bytes are received.
    pub async fn check_build_log(&self, by: &Caller, log: &Uploaded) -> Result<(), Error> {
        access::build_packages(by)?;
        words::arch(&log.arch)?;
        let target = self.store.target(log.target).await?;
        let target = target.ok_or_else(|| Error::malformed("Unknown target."))?;
        match access::is_key_of_agent(by) {
            true => self.check_agent(by, target.owner).await,
            false => access::change_packages(by, target.owner),
        }
    }

    /// Keeps a log and ends the build that it is of: the one of the target that was handed out first, of the same
    /// architecture if there is one, and before the log ends. If none was handed out it is a build of its own.
    pub async fn keep_build_log(&self, by: &Caller, log: Uploaded, bytes: &Path) -> Result<i64, Error> {
        self.check_build_log(by, &log).await?;
        let unknown = || Error::malformed("Unknown target.");
        let target = self.store.target(log.target).await?.ok_or_else(unknown)?;
        let blob = self.blobs.put_file(bytes).await?;
        // No agent is called that: an encoded name holds no colon.
        let requirement =
            Requirement { kind: AGENT.into(), arch: None, image: None, features: [":upload".into()].into() };
        let alone = self.build_submission(&target, &log.arch, requirement, false, None)?;
        let Uploaded { target, start, end, arch, exit } = log;
        let agents = "vieter::upload".into();
        let new = NewLog { target, start, end, arch, exit, blob, agents, alone };
        match self.store.keep_log(new).await {
            Err(crate::port::StoreError::Missing(_)) => Err(unknown()),
            kept => Ok(kept?),
        }
    }

    /// Logs by number, at most [`LIST_MAX`](super::LIST_MAX); a limit of 0 is none.
    pub async fn build_logs(
        &self,
        by: &Caller,
        filter: &LogFilter,
        window: Window,
    ) -> Result<Vec<BuildLog>, Error> {
        access::packages(by, Mode::Ro)?;
        if is_nowhere(&filter.arch) {
            return Ok(vec![]);
        }
        Ok(self.store.build_logs(filter, bounded(window)).await?)
    }

    /// A log.
    pub async fn build_log(&self, by: &Caller, id: i64) -> Result<BuildLog, Error> {
        access::packages(by, Mode::Ro)?;
        let log = self.store.build_log(id).await?;
        log.ok_or_else(|| Error::missing(format_args!("log {id}")))
    }

    /// Bytes of a log, fewer at its end.
    pub async fn read_build_log(&self, log: &BuildLog, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        Ok(self.blobs.read(&log.blob, from, length).await?)
    }

    /// Removes logs of builds that began too long ago, oldest first.
    pub(super) async fn forget_old_logs(&self) -> Result<(), Error> {
        let Some(keep) = self.settings.arch.keep_logs else { return Ok(()) };
        let before = self.clock.now().minus(keep).0.div_euclid(1_000_000);
        let mut removed = 0;
        loop {
            let some = self.store.forget_build_logs(before, PAGE).await?;
            removed += some;
            if some < u64::from(PAGE) {
                break;
            }
        }
        if removed > 0 {
            tracing::info!(
                "{removed} logs of package builds were older than arch.max-log-age and are removed"
            );
        }
        Ok(())
    }

    /// Removes a log.
    pub async fn delete_build_log(&self, by: &Caller, id: i64) -> Result<(), Error> {
        access::packages(by, Mode::Rw)?;
        let log = self.build_log(by, id).await?;
        match self.store.target(log.target).await? {
            Some(target) => access::change_packages(by, target.owner)?,
            None => access::administer_packages(by)?,
        }
        match self.store.delete_build_log(id).await? {
            true => Ok(()),
            false => Err(Error::missing(format_args!("log {id}"))),
        }
    }
}
