//! Any bytes as a package: nothing accepted has a name that leads elsewhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_core::arch::package::{PackageLimits, read};
use std::sync::atomic::AtomicBool;

fuzz_target!(|bytes: &[u8]| {
    let limits = PackageLimits { unpacked: 1 << 20, entries: 100, paths: 10_000 };
    let Ok(package) = read(bytes, &limits, &AtomicBool::new(false)) else { return };
    for name in [package.file_name(), package.entry_name()] {
        assert!(!name.contains('/') && !name.starts_with('.') && name.len() <= 255);
    }
    for line in package.files.lines() {
        assert!(!line.starts_with('/') && line.split('/').all(|part| part != ".."));
    }
});
