//! Guards that tests can switch off, to show that an attempt is held by its guard and not by
//! chance. Without the feature `weaken`, which no product build has, every guard is on and this
//! compiles to nothing.

/// A guard of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "weaken"), allow(unreachable_pub, reason = "public with the feature only"))]
pub enum Guard {
    /// The system call filter.
    Seccomp,
    /// The bounding set of eleven capabilities.
    Capabilities,
    /// An init that root inside cannot look into.
    Dumpable,
    /// Masked and read-only parts of `/proc` and `/sys`, and the ban on nested user namespaces.
    Masks,
    /// Files are handed out without following links.
    Collect,
    /// The packet filter and the routes of the network by nat.
    Network,
    /// Only what everybody may read of the machine's `/usr`.
    HostFiles,
    /// Control groups, where the host lets us have them: limits are watched then.
    ControlGroups,
    /// Counting what processes share, map, hold open or leave behind, in memory and on the disk.
    Accounting,
    /// Bounds on the segments, semaphores and messages of System V.
    Segments,
    /// Nix's own ban on files and addresses that an evaluation was not given.
    RestrictedEvaluation,
}

#[cfg(feature = "weaken")]
static OFF: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// Switches guards off, and all others on, for sandboxes that this process opens from now on.
#[cfg(feature = "weaken")]
pub fn switch_off(guards: &[Guard]) {
    let bits = guards.iter().fold(0, |bits, guard| bits | 1 << (*guard as u32));
    OFF.store(bits, std::sync::atomic::Ordering::Relaxed);
}

#[cfg(feature = "weaken")]
pub(crate) fn is_off(guard: Guard) -> bool {
    OFF.load(std::sync::atomic::Ordering::Relaxed) & 1 << (guard as u32) != 0
}

#[cfg(not(feature = "weaken"))]
pub(crate) const fn is_off(_: Guard) -> bool {
    false
}
