//! Handing facts, logs and files of one attempt to the server.

use super::link::{Held, Link, LinkError, Upload};
use super::sent::Sent;
use crate::spool::events::Line;
use crate::spool::{At, Spool, SpoolError, log_file, times_file};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::{AttemptFact, LogFile, LogName, LogPiece, Report};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

/// Bytes of a log that are sent at once.
const PIECE: usize = 256 << 10;

/// Why forwarding stopped.
#[derive(Debug)]
pub(super) enum Gone {
    /// The attempt is somebody else's.
    Superseded,
    /// The server does not answer now.
    Unanswered,
    /// The spool cannot be read or written now.
    Spool(SpoolError),
}

impl From<LinkError> for Gone {
    fn from(error: LinkError) -> Gone {
        match error {
            LinkError::Superseded => Gone::Superseded,
            LinkError::Retry(_) | LinkError::Refused(_) => Gone::Unanswered,
        }
    }
}

impl From<SpoolError> for Gone {
    fn from(error: SpoolError) -> Gone {
        Gone::Spool(error)
    }
}

/// One round of forwarding.
pub(super) struct Forward<'a, L> {
    pub(super) link: &'a L,
    pub(super) spool: &'a Spool,
}

impl<L: Link> Forward<'_, L> {
    /// Sends all that is in the spool now and was not acknowledged yet.
    pub(super) async fn everything(&self, sent: &mut Sent) -> Result<(), Gone> {
        let before = sent.clone();
        let result = self.news(sent).await;
        if *sent != before {
            // A full disk costs only that things are sent again.
            if let Err(error) = sent.write(self.spool) {
                tracing::warn!("{error}");
            }
        }
        result
    }

    async fn news(&self, sent: &mut Sent) -> Result<(), Gone> {
        let (lines, end) = self.spool.events_from(sent.events)?;
        if lines.is_empty() {
            return self.logs(sent).await;
        }
        for line in lines {
            if line.number > sent.fact {
                // A log is never shorter than what was reported.
                self.logs(sent).await?;
                self.fact(&line).await?;
                sent.fact = line.number;
                sent.ended = matches!(line.fact, AttemptFact::Ended { .. });
            }
        }
        sent.events = end;
        Ok(())
    }

    async fn fact(&self, line: &Line) -> Result<(), Gone> {
        if let AttemptFact::Artifact { path, size, sha256 } = &line.fact {
            let position = self.position(path)?;
            let upload = Upload {
                held: self.held(),
                path: path.clone(),
                size: *size,
                sha256: sha256.clone(),
                file: self.spool.artifact(position),
            };
            self.link.artifact(&upload).await?;
        }
        let Held { attempt, fence } = self.held();
        let report = Report { attempt, fence, number: line.number, at: line.at, fact: line.fact.clone() };
        visit(Point::AgentBeforeReport);
        self.link.report(&report).await?;
        visit(Point::AgentAfterReport);
        Ok(())
    }

    /// Where in the plan an artifact stands.
    fn position(&self, path: &str) -> Result<usize, SpoolError> {
        let malformed =
            |why: String| SpoolError::Malformed { path: self.spool.path().join("plan.json"), why };
        let plan = self.spool.plan()?.open().map_err(|e| malformed(e.to_string()))?;
        let found = plan.artifacts.iter().position(|artifact| artifact == path);
        found.ok_or_else(|| malformed(format!("it names no artifact {path}")))
    }

    async fn logs(&self, sent: &mut Sent) -> Result<(), Gone> {
        for name in self.spool.log_names() {
            self.log(name, sent).await?;
        }
        Ok(())
    }

    /// Sends a log up to the length that it has now; first when its bytes came, so that no reader sees them before.
    async fn log(&self, name: LogName, sent: &mut Sent) -> Result<(), Gone> {
        let length = self.length(&log_file(name))?.unwrap_or(0);
        // There is none in a spool of version 1.
        if let Some(length) = self.length(&times_file(name))? {
            self.file(LogFile::Times(name), &times_file(name), length, sent).await?;
        }
        self.file(LogFile::Text(name), &log_file(name), length, sent).await
    }

    /// Bytes of a file below `logs/` now; none if there is none.
    fn length(&self, name: &str) -> Result<Option<u64>, SpoolError> {
        let path = self.spool.logs().join(name);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            found => Ok(Some(found.at("look at", &path)?.len())),
        }
    }

    async fn file(&self, log: LogFile, name: &str, length: u64, sent: &mut Sent) -> Result<(), Gone> {
        let path = self.spool.logs().join(name);
        let file = File::open(&path).at("open", &path)?;
        let mut offset = sent.logs.get(name).copied().unwrap_or(0);
        while offset < length {
            let mut bytes = vec![0; PIECE.min(usize::try_from(length - offset).unwrap_or(PIECE))];
            let count = file.read_at(&mut bytes, offset).at("read", &path)?;
            bytes.truncate(count);
            if bytes.is_empty() {
                break;
            }
            let Held { attempt, fence } = self.held();
            let piece = LogPiece { attempt, fence, log, offset, bytes };
            offset = self.link.log(&piece).await?;
            sent.logs.insert(name.to_owned(), offset);
        }
        Ok(())
    }

    fn held(&self) -> Held {
        super::held_by(self.spool)
    }
}
