//! Parts of `/proc` and `/sys` that steps must not see or write.

use super::super::SandboxError;
use super::super::mountfd::{RDONLY, STRICT, attach, clone_tree, new_fs, set_attr};
use super::super::weaken::{Guard, is_off};
use std::path::Path;

const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/sysvipc",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

pub(super) fn mask() -> Result<(), SandboxError> {
    if is_off(Guard::Masks) {
        return Ok(());
    }
    // Must be written before /proc/sys is read-only. The filter forbids nested user namespaces too.
    let _ = std::fs::write("/proc/sys/user/max_user_namespaces", "0");
    for path in MASKED {
        match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => {
                attach(&new_fs("tmpfs", &[("size", "4k")], STRICT | RDONLY)?, path)?;
            }
            Ok(_) => attach(&clone_tree("/dev/null")?, path)?,
            // Not every kernel has every one.
            Err(_) => {}
        }
    }
    for path in READ_ONLY.iter().filter(|p| Path::new(p).exists()) {
        let tree = clone_tree(path)?;
        set_attr(&tree, RDONLY | STRICT)?;
        attach(&tree, path)?;
    }
    Ok(())
}
