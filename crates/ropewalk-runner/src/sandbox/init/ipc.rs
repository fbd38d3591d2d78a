//! System V segments, semaphores and messages: they belong to no process, so nothing that looks at processes sees them.

use super::super::Limits;
use super::super::weaken::{Guard, is_off};
use rustix::fd::OwnedFd;
use std::fs::{File, write};

/// Segments may take this part of the memory limit, as `/dev/shm` does.
const PART: u64 = 4;
/// Segments, at most.
const SEGMENTS: &str = "4096";
/// Semaphores in a set, in all, operations in a call, and sets: each semaphore takes 64 bytes of the kernel.
const SEMAPHORES: &str = "250 32000 100 1024";
/// Message queues, of 16 KiB each.
const QUEUES: &str = "256";

/// Bounds them in the namespace of this process, and opens the list of its segments. Older kernels let only the host's
/// root do the former; the segments are counted then, too. A kernel without them has nothing to bound.
pub(super) fn bound(limits: &Limits) -> Option<OwnedFd> {
    if is_off(Guard::Segments) {
        return None;
    }
    let bytes = limits.memory / PART;
    let pages = bytes / rustix::param::page_size() as u64;
    let values = [("shmmax", bytes.to_string()), ("shmall", pages.to_string())];
    let counts = [("shmmni", SEGMENTS), ("sem", SEMAPHORES), ("msgmni", QUEUES)];
    let counts = counts.map(|(name, value)| (name, value.to_owned()));
    for (name, value) in values.into_iter().chain(counts) {
        let _ = write(format!("/proc/sys/kernel/{name}"), value);
    }
    File::open("/proc/sysvipc/shm").ok().map(OwnedFd::from)
}
