//! Any bytes as a Range header, for a thing of any size: what is answered lies within.
#![no_main]

use http::header::RANGE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use ropewalk_http::range::{Wanted, wanted};

fuzz_target!(|input: &[u8]| {
    let Some((size, bytes)) = input.split_first_chunk() else { return };
    let size = u64::from_be_bytes(*size);
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let headers = HeaderMap::from_iter([(RANGE, value)]);
    if let Wanted::Part { from, to } = wanted(&headers, size) {
        assert!(from < to && to <= size);
    }
});
