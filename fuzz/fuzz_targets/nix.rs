//! What Nix and its builds write: derivations, messages, and what lies in outputs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_runner::nix::derivation::DerivationFile;
use ropewalk_runner::nix::messages::{Lines, read};
use ropewalk_runner::nix::support::{METRICS, metrics, products};

fuzz_target!(|bytes: &[u8]| {
    if let Some(file) = DerivationFile::read(bytes) {
        assert!(file.paths().len() <= file.outputs.len());
        assert!(file.features().iter().all(|feature| feature.len() <= bytes.len()));
        assert!(!file.is_fixed || !file.outputs.is_empty());
    }
    let mut lines = Lines::default();
    // In pieces, as pipes give them.
    for piece in bytes.chunks(7) {
        let heard: Result<(), ()> = lines.take(piece, |line| {
            let _ = read(line);
            Ok(())
        });
        assert!(heard.is_ok());
    }
    if let Some(line) = lines.rest() {
        let _ = read(&line);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(metrics(text).values().all(|metric| metric.value.is_finite()));
        assert!(metrics(text).len() <= METRICS);
        let _ = products(text);
    }
});
