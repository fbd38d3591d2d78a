//! The compressed form of a blob: zstd frames of 1 MiB of raw bytes each, and an index of them.
//!
//! It is Zstandard's "seekable format": the index is a last frame that decoders skip, so that `zstd -d` reads a blob
//! as it is. Each frame carries a checksum of its content. Before the index stands one more frame that decoders skip: how
//! many newlines each frame holds, so that a line is found without reading what stands before it. Blobs that
//! were stored before there was such a frame are read too: their newlines are counted where they are asked for.
//! <https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md>

use ropewalk_core::port::{Landmark, Seek};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use zstd::zstd_safe::CParameter;

/// Raw bytes of a frame; the last one may have fewer.
pub(super) const FRAME: usize = 1 << 20;
/// Largest index that is read: 2^20 frames, a tebibyte.
const FRAMES_MAX: u32 = 1 << 20;
/// Fast, and within a few per cent of higher levels on logs.
const LEVEL: i32 = 3;

/// First bytes of a frame that decoders skip.
const SKIPPED: u32 = 0x184D_2A5E;
/// First bytes of the frame of newlines, which decoders skip too.
const NEWLINES: u32 = 0x184D_2A50;
/// Bytes of the number of newlines in a frame.
const COUNT: usize = 4;
/// Last bytes of the index.
const SEEKABLE: u32 = 0x8F92_EAB1;
/// Bytes of an entry: compressed and raw size of a frame.
const ENTRY: usize = 8;
/// Bytes before the entries: the mark and the size of what is skipped.
const HEAD: usize = 8;
/// Bytes after the entries: their number, a byte of flags (none), the mark.
const FOOT: usize = 9;

/// Why a blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("its file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("its index is damaged")]
    Index,
    #[error("frame {number} is damaged: {reason}")]
    Frame { number: usize, reason: io::Error },
}

/// Writes frames, then the index.
pub(super) struct Writer<W> {
    to: W,
    compressor: zstd::bulk::Compressor<'static>,
    entries: Vec<u8>,
    newlines: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(to: W) -> io::Result<Writer<W>> {
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Writer { to, compressor, entries: Vec::new(), newlines: Vec::new() })
    }

    /// Writes the next frame: [`FRAME`] raw bytes, or fewer in the last one.
    pub(super) fn frame(&mut self, raw: &[u8]) -> io::Result<()> {
        let compressed = self.compressor.compress(raw)?;
        self.to.write_all(&compressed)?;
        self.entries.extend(number(compressed.len())?);
        self.entries.extend(number(raw.len())?);
        self.newlines.extend(number(count(raw))?);
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        let frames = self.entries.len() / ENTRY;
        self.to.write_all(&NEWLINES.to_le_bytes())?;
        self.to.write_all(&number(self.newlines.len())?)?;
        self.to.write_all(&self.newlines)?;
        self.to.write_all(&SKIPPED.to_le_bytes())?;
        self.to.write_all(&number(self.entries.len() + FOOT)?)?;
        self.to.write_all(&self.entries)?;
        self.to.write_all(&number(frames)?)?;
        self.to.write_all(&[0])?;
        self.to.write_all(&SEEKABLE.to_le_bytes())
    }
}

/// Reads any range of raw bytes.
pub(super) struct Reader {
    file: File,
    frames: Vec<Frame>,
    /// Newlines in each frame; none in a blob that does not note them.
    newlines: Option<Vec<u64>>,
    size: u64,
}

#[derive(Clone, Copy)]
struct Frame {
    at: u64,
    compressed: usize,
    raw_at: u64,
    raw: usize,
}

impl Reader {
    /// Reads and checks the index.
    pub(super) fn open(file: File) -> Result<Reader, Damage> {
        let length = file.metadata()?.len();
        let index_end = length.checked_sub(FOOT as u64).ok_or(Damage::Index)?;
        let mut foot = [0; FOOT];
        file.read_exact_at(&mut foot, index_end)?;
        let mut foot = foot.as_slice();
        let (count, flags, mark) = (take(&mut foot)?, take_byte(&mut foot)?, take(&mut foot)?);
        if mark != SEEKABLE || flags != 0 || count > FRAMES_MAX {
            return Err(Damage::Index);
        }
        let mut entries = vec![0; HEAD + count as usize * ENTRY];
        let index_at = index_end.checked_sub(entries.len() as u64).ok_or(Damage::Index)?;
        file.read_exact_at(&mut entries, index_at)?;
        let mut entries = entries.as_slice();
        let skipped = (take(&mut entries)?, take(&mut entries)?);
        if skipped != (SKIPPED, count * ENTRY as u32 + FOOT as u32) {
            return Err(Damage::Index);
        }
        let frames = frames(entries)?;
        let frames_end = frames.last().map_or(0, |last| last.at + last.compressed as u64);
        // A blob that was stored before newlines were noted has its index right behind its frames.
        let newlines = match frames_end == index_at {
            true => None,
            false => Some(newlines(&file, &frames, frames_end, index_at)?),
        };
        let size = frames.last().map_or(0, |last| last.raw_at + last.raw as u64);
        Ok(Reader { file, frames, newlines, size })
    }

    /// Raw bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Raw bytes `from..from + length`, fewer at the end.
    pub(super) fn read(&self, from: u64, length: usize) -> Result<Vec<u8>, Damage> {
        let end = self.size.min(from.saturating_add(length as u64));
        let mut bytes = Vec::with_capacity(usize::try_from(end.saturating_sub(from)).unwrap_or(0));
        let first = self.frames.partition_point(|frame| frame.raw_at + frame.raw as u64 <= from);
        for (number, frame) in self.frames.iter().enumerate().skip(first) {
            if frame.raw_at >= end {
                break;
            }
            let raw = self.frame(frame).map_err(|reason| Damage::Frame { number, reason })?;
            let within = |at: u64| usize::try_from(at.saturating_sub(frame.raw_at)).unwrap_or(raw.len());
            let wanted = raw.get(within(from)..within(end).min(raw.len())).ok_or(Damage::Index)?;
            bytes.extend_from_slice(wanted);
        }
        Ok(bytes)
    }

    /// The start of the frame in which a place lies; the end of all frames if it lies behind. A blob that does not
    /// note its newlines is read up to there.
    pub(super) fn landmark(&self, seek: Seek) -> Result<Landmark, Damage> {
        let mut before = 0;
        for (number, frame) in self.frames.iter().enumerate() {
            let within = self.newlines_within(number, frame)?;
            let is_behind = match seek {
                Seek::Offset(offset) => frame.raw_at + frame.raw as u64 <= offset,
                Seek::Newlines(wanted) => wanted > 0 && before + within < wanted,
            };
            if !is_behind {
                return Ok(Landmark { offset: frame.raw_at, newlines: before });
            }
            before += within;
        }
        Ok(Landmark { offset: self.size, newlines: before })
    }

    fn newlines_within(&self, number: usize, frame: &Frame) -> Result<u64, Damage> {
        match &self.newlines {
            Some(noted) => noted.get(number).copied().ok_or(Damage::Index),
            None => {
                let raw = self.frame(frame).map_err(|reason| Damage::Frame { number, reason })?;
                Ok(count(&raw) as u64)
            }
        }
    }

    fn frame(&self, frame: &Frame) -> io::Result<Vec<u8>> {
        let mut compressed = vec![0; frame.compressed];
        self.file.read_exact_at(&mut compressed, frame.at)?;
        let raw = zstd::bulk::decompress(&compressed, frame.raw)?;
        if raw.len() == frame.raw { Ok(raw) } else { Err(io::Error::other("it has another size")) }
    }
}

/// Newlines of some bytes.
pub(crate) fn count(raw: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', raw).count()
}

/// Where each frame lies.
fn frames(mut entries: &[u8]) -> Result<Vec<Frame>, Damage> {
    let (mut frames, mut at, mut raw_at) = (Vec::new(), 0, 0);
    while !entries.is_empty() {
        let (compressed, raw) = (take(&mut entries)? as usize, take(&mut entries)? as usize);
        if raw > FRAME {
            return Err(Damage::Index);
        }
        frames.push(Frame { at, compressed, raw_at, raw });
        at += compressed as u64;
        raw_at += raw as u64;
    }
    Ok(frames)
}

/// The noted newlines of each frame, which must fill the file from the frames to the index.
fn newlines(file: &File, frames: &[Frame], at: u64, end: u64) -> Result<Vec<u64>, Damage> {
    let size = frames.len() * COUNT;
    if at.checked_add((HEAD + size) as u64) != Some(end) {
        return Err(Damage::Index);
    }
    let mut noted = vec![0; HEAD + size];
    file.read_exact_at(&mut noted, at)?;
    let mut noted = noted.as_slice();
    if take(&mut noted)? != NEWLINES || take(&mut noted)? as usize != size {
        return Err(Damage::Index);
    }
    let within = |frame: &Frame| match take(&mut noted)? {
        within if within as usize <= frame.raw => Ok(u64::from(within)),
        _ => Err(Damage::Index),
    };
    frames.iter().map(within).collect()
}

fn number(length: usize) -> io::Result<[u8; 4]> {
    u32::try_from(length).map(u32::to_le_bytes).map_err(io::Error::other)
}

fn take(bytes: &mut &[u8]) -> Result<u32, Damage> {
    let mut number = [0; 4];
    bytes.read_exact(&mut number).map_err(|_| Damage::Index)?;
    Ok(u32::from_le_bytes(number))
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, Damage> {
    let mut byte = [0; 1];
    bytes.read_exact(&mut byte).map_err(|_| Damage::Index)?;
    Ok(u8::from_le_bytes(byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    /// Bytes that compress neither to nothing nor not at all.
    fn raw(size: usize) -> Vec<u8> {
        (0..size).map(|at| ((at / 7) ^ (at % 251)) as u8).collect()
    }

    fn written(raw: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).unwrap();
        raw.chunks(FRAME).for_each(|frame| writer.frame(frame).unwrap());
        writer.finish().unwrap();
        bytes
    }

    fn opened(bytes: &[u8]) -> Result<Reader, Damage> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Reader::open(file)
    }

    #[test]
    fn an_ordinary_decoder_reads_it() {
        let raw = raw(2 * FRAME + 17);
        let mut decoder = zstd::Decoder::new(io::Cursor::new(written(&raw))).unwrap();
        let mut read = Vec::new();
        decoder.read_to_end(&mut read).unwrap();
        assert!(read == raw);
    }

    #[test]
    fn nothing_at_all_is_a_blob_too() {
        let reader = opened(&written(&[])).unwrap();
        assert_eq!((reader.size(), reader.read(0, 10).unwrap()), (0, vec![]));
    }

    #[test]
    fn ranges_are_exact_around_frame_borders() {
        let raw = raw(3 * FRAME);
        let reader = opened(&written(&raw)).unwrap();
        let borders = [0, 1, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME - 1, 3 * FRAME, 3 * FRAME + 1];
        for from in borders {
            for length in [0, 1, 2, FRAME, FRAME + 1, 4 * FRAME, usize::MAX] {
                let expected = &raw[from.min(raw.len())
                    ..from.saturating_add(length).min(raw.len()).max(from.min(raw.len()))];
                assert!(reader.read(from as u64, length).unwrap() == expected, "{from}+{length}");
            }
        }
    }

    #[test]
    fn a_landmark_is_the_start_of_the_frame_that_holds_the_place() {
        let mut raw = vec![b'x'; 2 * FRAME + 10];
        for at in [5, FRAME - 1, FRAME, 2 * FRAME + 3] {
            raw[at] = b'\n';
        }
        let reader = opened(&written(&raw)).unwrap();
        let at = |seek| {
            let Landmark { offset, newlines } = reader.landmark(seek).unwrap();
            (offset as usize, newlines)
        };
        assert_eq!(at(Seek::Offset(0)), (0, 0));
        assert_eq!(at(Seek::Offset(FRAME as u64 - 1)), (0, 0));
        assert_eq!(at(Seek::Offset(FRAME as u64)), (FRAME, 2));
        assert_eq!(at(Seek::Offset(u64::MAX)), (2 * FRAME + 10, 4));
        // Line 3 begins with a frame, after a newline that ends the frame before.
        assert_eq!([0, 1, 2].map(|n| at(Seek::Newlines(n))), [(0, 0); 3]);
        assert_eq!(at(Seek::Newlines(3)), (FRAME, 2));
        assert_eq!(at(Seek::Newlines(4)), (2 * FRAME, 3));
        assert_eq!(at(Seek::Newlines(5)), (2 * FRAME + 10, 4));
        let empty = opened(&written(&[])).unwrap();
        assert_eq!(empty.landmark(Seek::Newlines(0)).unwrap(), Landmark::default());
    }

    /// What was written before newlines were noted: the same without their frame.
    fn written_before(raw: &[u8]) -> Vec<u8> {
        let mut bytes = written(raw);
        let frames = raw.chunks(FRAME).count();
        let index_at = bytes.len() - (HEAD + frames * ENTRY + FOOT);
        bytes.drain(index_at - (HEAD + frames * COUNT)..index_at);
        bytes
    }

    #[test]
    fn a_blob_without_noted_newlines_is_read_and_its_lines_are_found() {
        let mut raw = raw(2 * FRAME + 10);
        raw[5] = b'\n';
        for raw in [&raw[..], &raw[..1], &[]] {
            let (old, new) = (opened(&written_before(raw)).unwrap(), opened(&written(raw)).unwrap());
            assert!(old.newlines.is_none() && new.newlines.is_some());
            assert!(old.size() == raw.len() as u64 && old.read(0, raw.len()).unwrap() == raw);
            let lines = count(raw) as u64;
            let places = [0, 1, FRAME as u64, u64::MAX].map(Seek::Offset).into_iter();
            for place in places.chain([0, 1, lines / 2, lines, lines + 1].map(Seek::Newlines)) {
                assert_eq!(old.landmark(place).unwrap(), new.landmark(place).unwrap(), "{place:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn any_range_is_exact(size in 0..2 * FRAME + 2, from in 0..2 * FRAME + 9, length in 0..2 * FRAME) {
            let raw = raw(size);
            let reader = opened(&written(&raw)).unwrap();
            prop_assert_eq!(reader.size(), size as u64);
            let (start, end) = (from.min(size), (from + length).min(size));
            prop_assert!(reader.read(from as u64, length).unwrap() == raw[start..end]);
        }

        /// A changed byte is found by a checksum or the index, except in the few bits that mean nothing.
        #[test]
        fn a_damaged_file_never_gives_other_bytes(at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let raw = raw(FRAME + 1000);
            let mut bytes = written(&raw);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            if let Ok(reader) = opened(&bytes)
                && reader.size() == raw.len() as u64
                && let Ok(read) = reader.read(0, raw.len())
            {
                prop_assert!(read == raw, "byte {} of {}", at, bytes.len());
            }
        }

        #[test]
        fn a_file_that_was_cut_off_is_refused(cut in any::<prop::sample::Index>()) {
            let bytes = written(&raw(FRAME + 1000));
            prop_assert!(opened(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
            let mut bytes = bytes;
            if whole {
                bytes.extend(written(&[]));
            }
            if let Ok(reader) = opened(&bytes) {
                let _ = reader.read(0, 1000);
            }
        }
    }
}
