//! Any text as a source: nothing accepted leaves the home folder or reads as an option.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_model::plan::Source;

fuzz_target!(|text: &str| {
    let Ok(source) = Source::parse(text) else { return };
    assert!(!source.url.is_empty() && !source.url.starts_with('-'));
    assert!(!source.directory.starts_with('/'));
    assert!(source.directory.split('/').all(|part| !matches!(part, "" | "." | "..")));
    assert!(source.reference.is_none_or(|reference| !reference.is_empty() && !reference.starts_with('-')));
});
