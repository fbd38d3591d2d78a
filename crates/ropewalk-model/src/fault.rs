//! Named points at which a test may stop the process as `kill -9` would.
//!
//! The list is closed, so that a test can visit every one of them. Without the feature `faults` a point is nothing.

use strum::{Display, EnumIter, EnumString, IntoStaticStr};

/// A place between two lines that must survive the end of the process: one before and one after every commit and
/// every write to a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumIter, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it: which write, before or after")]
pub enum Point {
    SubmitBeforeCommit,
    SubmitAfterCommit,
    LeaseBeforeCommit,
    LeaseAfterCommit,
    RenewBeforeCommit,
    RenewAfterCommit,
    RecordBeforeCommit,
    RecordAfterCommit,
    FinishBeforeCommit,
    FinishAfterCommit,
    CancelBeforeCommit,
    CancelAfterCommit,
    PublishBeforeCommit,
    PublishAfterCommit,
    UnpublishBeforeCommit,
    UnpublishAfterCommit,
    /// Every commit that has no points of its own.
    WriteBeforeCommit,
    WriteAfterCommit,
    LogBeforeAppend,
    LogAfterAppend,
    LogBeforeSeal,
    LogAfterSeal,
    SpoolBeforeCreate,
    SpoolAfterCreate,
    SpoolBeforeLaunch,
    SpoolAfterLaunch,
    SpoolBeforeRemove,
    SpoolAfterRemove,
    AgentBeforeReport,
    AgentAfterReport,
    /// What the agent notes in a spool: how far it told the server, and the end of an attempt that it killed.
    AgentBeforeWrite,
    AgentAfterWrite,
    /// What the supervisor notes about itself.
    SupervisorBeforeWrite,
    SupervisorAfterWrite,
    SupervisorBeforeEvent,
    SupervisorAfterEvent,
    SupervisorBeforeLog,
    SupervisorAfterLog,
    /// When bytes of a log came, noted before them.
    SupervisorBeforeTime,
    SupervisorAfterTime,
    SupervisorBeforeOpen,
    SupervisorAfterOpen,
    SupervisorBeforeArtifact,
    SupervisorAfterArtifact,
    SupervisorBeforeEnd,
    SupervisorAfterEnd,
}

/// Environment variable that arms a point: `NAME` or `NAME:N` for its N-th visit, from 1.
pub const VARIABLE: &str = "ROPEWALK_FAULT";

/// Environment variable that names a file to be made before the process ends. While it is there no point ends
/// anything, so that each fault happens once although processes that start later inherit the variables.
pub const MARK: &str = "ROPEWALK_FAULT_MARK";

/// Environment variable that gives the program another version of the spool, as a later one will have.
pub const VERSION: &str = "ROPEWALK_FAULT_VERSION";

/// The version of spools that this program makes; it reads those of the one before too.
#[cfg(feature = "faults")]
#[must_use]
pub fn spool_version() -> u32 {
    let other = std::env::var(VERSION).ok().and_then(|text| text.parse().ok());
    other.unwrap_or(crate::link::LINK_VERSION)
}

/// The version of spools that this program makes; it reads those of the one before too.
#[cfg(not(feature = "faults"))]
#[inline(always)]
#[must_use]
pub fn spool_version() -> u32 {
    crate::link::LINK_VERSION
}

/// Ends the process here without any clean-up, if this point is armed and its visit has come.
#[cfg(feature = "faults")]
pub fn visit(point: Point) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static ARMED: OnceLock<Option<(Point, u64)>> = OnceLock::new();
    static VISITS: AtomicU64 = AtomicU64::new(0);
    let armed = ARMED.get_or_init(|| armed(&std::env::var(VARIABLE).ok()?));
    if let Some((at, nth)) = armed
        && *at == point
        && VISITS.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        if let Some(mark) = std::env::var_os(MARK)
            && std::fs::File::create_new(mark).is_err()
        {
            return;
        }
        // Nothing after this runs: no destructor, no flush.
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn visit(_: Point) {}

#[cfg(any(feature = "faults", test))]
fn armed(text: &str) -> Option<(Point, u64)> {
    let (name, nth) = text.split_once(':').unwrap_or((text, "1"));
    Some((name.parse().ok()?, nth.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn every_point_can_be_armed_by_its_name() {
        assert!(Point::iter().count() >= 25);
        for point in Point::iter() {
            assert_eq!(armed(&format!("{point}:3")), Some((point, 3)));
            assert_eq!(armed(&point.to_string()), Some((point, 1)));
        }
        assert_eq!(armed("nowhere"), None);
    }
}
