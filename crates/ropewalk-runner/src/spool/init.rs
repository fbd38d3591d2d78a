//! The sandbox's first process, written down so that an agent can wait for its very end.
//!
//! Liveness of an attempt is judged by the lock alone. But the kernel closes the lock of a dying init
//! a moment before it has ended the other processes of the namespace; only when the init itself is
//! reaped, or waits to be, is nothing of them left.

use super::{Spool, SpoolError, read_json, write_whole};
use serde::{Deserialize, Serialize};

/// A process, told from later ones with the same number by its time of start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// Process id.
    pub pid: i32,
    /// Clock ticks after the boot: field 22 of `/proc/PID/stat`.
    pub start: u64,
}

impl Init {
    /// The process that has this id now.
    #[must_use]
    pub fn of(pid: i32) -> Option<Init> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let zombie = fields.next()? == "Z";
        let start = fields.nth(18)?.parse().ok()?;
        (!zombie).then_some(Init { pid, start })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Init::of(self.pid) == Some(self)
    }
}

impl Spool {
    /// Notes the sandbox's init.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_init(&self, init: Init) -> Result<(), SpoolError> {
        let text = format!("{{\"pid\":{},\"start\":{}}}", init.pid, init.start);
        write_whole(&self.path().join("init.json"), text.as_bytes())
    }

    /// The sandbox's init, if one was noted.
    #[must_use]
    pub fn init(&self) -> Option<Init> {
        read_json(&self.path().join("init.json")).ok()
    }
}
