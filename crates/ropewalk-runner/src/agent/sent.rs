//! What the server has acknowledged of an attempt. Losing it costs only that things are sent again.

use crate::spool::{Spool, SpoolError};
use ropewalk_model::fault::{Point, visit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The content of `agent/sent.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Sent {
    /// Number of the last fact.
    pub(super) fact: i64,
    /// Byte of `events.jsonl` after it.
    pub(super) events: u64,
    /// Length that the server has of each log and of its times, by file name.
    pub(super) logs: BTreeMap<String, u64>,
    /// The last fact was the end.
    pub(super) ended: bool,
}

fn path(spool: &Spool) -> PathBuf {
    // Apart from what the agent watches.
    spool.path().join("agent").join("sent.json")
}

impl Sent {
    /// What was acknowledged; nothing if that is not known.
    pub(super) fn read(spool: &Spool) -> Sent {
        crate::spool::read_json(&path(spool)).unwrap_or_default()
    }

    /// Replaces the file. Not synced: after a power failure things are sent again.
    pub(super) fn write(&self, spool: &Spool) -> Result<(), SpoolError> {
        use crate::spool::At;
        let path = path(spool);
        let new = path.with_extension("new");
        let text = serde_json::to_vec(self)
            .map_err(|e| SpoolError::Malformed { path: path.clone(), why: e.to_string() })?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).at("create", folder)?;
        }
        visit(Point::AgentBeforeWrite);
        std::fs::write(&new, text).at("write", &new)?;
        std::fs::rename(&new, &path).at("rename to", &path)?;
        visit(Point::AgentAfterWrite);
        Ok(())
    }
}
