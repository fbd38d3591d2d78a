//! Logs of derivations by their name.

use crate::access::{self, Caller};
use crate::error::Error;
use crate::farm::Farm;
use crate::logs::{OpenLog, READ_MAX};
use crate::port::{BlobRef, DerivationAttempt};
use ropewalk_model::grant::Mode;
use ropewalk_model::link::LogName;

/// The log of a derivation that the caller may read.
#[derive(Clone, Debug)]
pub enum DerivationLog {
    /// That of a job, which may still grow.
    Job(OpenLog),
    /// What was kept of a derivation that is no job's own: the logs of all attempts that ended.
    Kept(KeptLog),
}

/// Logs one after another.
#[derive(Clone, Debug)]
pub struct KeptLog {
    parts: Vec<BlobRef>,
}

impl KeptLog {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }
}

impl Farm {
    /// The log of a derivation, by its base name; missing if none was kept.
    pub async fn derivation_log(&self, by: &Caller, drv: &str) -> Result<DerivationLog, Error> {
        access::projects(by, Mode::Ro)?;
        let attempts = self.store.derivation_attempts(drv).await?;
        let missing = || Error::missing(format_args!("log of {}", drv.chars().take(200).collect::<String>()));
        if let Some(job) = attempts.iter().rev().find_map(|attempt| attempt.job) {
            // What everybody may read needs no grant beside this door's.
            let open = match self.open_log(&Caller::Anonymous, job, LogName::Step(0)).await {
                Ok(open) => open,
                Err(_) => self.open_log(by, job, LogName::Step(0)).await?,
            };
            return Ok(DerivationLog::Job(open));
        }
        let parts: Vec<_> = attempts.into_iter().filter_map(|DerivationAttempt { log, .. }| log).collect();
        if parts.is_empty() {
            return Err(missing());
        }
        Ok(DerivationLog::Kept(KeptLog { parts }))
    }

    /// Bytes of a kept log from an offset, at most [`READ_MAX`]; fewer at its end.
    pub async fn read_kept_log(&self, log: &KeptLog, from: u64, length: usize) -> Result<Vec<u8>, Error> {
        let (mut bytes, mut skip) = (Vec::new(), from);
        let length = length.min(READ_MAX);
        for part in &log.parts {
            let missing = length - bytes.len();
            if missing == 0 {
                break;
            }
            if skip >= part.size {
                skip -= part.size;
                continue;
            }
            bytes.extend(self.blobs.read(part, skip, missing).await?);
            skip = 0;
        }
        Ok(bytes)
    }
}
