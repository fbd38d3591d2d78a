//! Any bytes as a multipart request, in pieces of any length: read or refused, never more than the limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropewalk_door_srht::read_multipart;
use std::convert::Infallible;

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    let pieces: Vec<Result<_, Infallible>> =
        bytes.chunks(usize::from(*piece).max(1)).map(|piece| Ok(piece.to_vec().into())).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stream = futures_util::stream::iter(pieces);
    let read = runtime.block_on(read_multipart("multipart/form-data; boundary=B", stream, 4096, 32));
    if let Err(refusal) = read {
        assert!(refusal.status.is_client_error() && !refusal.message.is_empty());
    }
});
