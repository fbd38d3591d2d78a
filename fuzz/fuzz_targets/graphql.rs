//! Any text as a GraphQL document: read or refused in the size of the text, with an error of the dialect.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_door_srht::{DocumentLimits, Operation, Prepared};

const LIMITS: DocumentLimits = DocumentLimits { bytes: 128 << 10, complexity: 250, depth: 25 };

fuzz_target!(|text: &str| {
    for name in [None, Some("a")] {
        if let Err(refusal) = Prepared::read(text, name, LIMITS) {
            assert!(refusal.status.is_client_error() && !refusal.message.is_empty());
            assert!(refusal.message.len() < 1000, "{}", refusal.message);
        }
    }
    if let Err(refusal) = Operation::of_json(text.as_bytes()) {
        assert!(refusal.status.is_client_error());
    }
});
