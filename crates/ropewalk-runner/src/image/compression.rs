//! Compressed streams, told apart by their first bytes.

use std::fs::File;
use std::io::{self, BufReader, Read};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const BZIP2: [u8; 3] = *b"BZh";

/// The plain bytes of a stream that may be compressed with gzip or zstd.
///
/// # Errors
/// For other compressions, and when the first bytes cannot be read.
pub(super) fn plain<'a>(source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::with_capacity(256 * 1024, source);
    let start = io::BufRead::fill_buf(&mut source)?;
    if start.starts_with(&GZIP) {
        return Ok(Box::new(flate2::bufread::MultiGzDecoder::new(source)));
    }
    if start.starts_with(&ZSTD) {
        return Ok(Box::new(zstd::Decoder::with_buffer(source)?));
    }
    if start.starts_with(&XZ) || start.starts_with(&BZIP2) {
        let why = "compressed with xz or bzip2; recompress it with gzip or zstd";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(Box::new(source))
}

/// Whether a file is compressed in any way that [`plain`] knows of.
pub(super) fn is_compressed(file: &File) -> io::Result<bool> {
    let mut start = [0; 6];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut start, 0)?;
    let start = start.get(..read).unwrap_or_default();
    Ok(start.starts_with(&GZIP) || start.starts_with(&ZSTD) || start == XZ || start.starts_with(&BZIP2))
}
