//! When the bytes of a log came: notes beside the log, whose own bytes stay as they were printed.
//!
//! A file of notes begins with [`HEADER`]; then follow notes of [`NOTE_BYTES`] bytes: an offset in the log and
//! microseconds since 1970 in UTC, both big-endian. Bytes from the offset of a note up to that of the next one were
//! taken at its time or up to [`pace`] later. A note is written before the bytes that it is about, so that there are
//! no bytes without one; where its bytes are missing it says nothing.

use crate::time::Time;
use std::time::Duration;

/// First bytes of every file of notes; another version begins otherwise.
pub const HEADER: [u8; 16] = *b"ropewalk-times 1";
/// Bytes of a note.
pub const NOTE_BYTES: usize = 16;
/// Least time from one of the first notes to the next.
const FIRST_PACE: Duration = Duration::from_millis(100);
/// After so many notes that time doubles.
const NOTES_PER_PACE: u64 = 8192;
/// The longest that it becomes.
const LAST_PACE: Duration = Duration::from_secs(60);

/// A time from which on bytes of a log came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Of the first byte that came then.
    pub offset: u64,
    /// By the runner's clock.
    pub at: Time,
}

impl Note {
    /// As it is written.
    pub fn to_bytes(self) -> [u8; NOTE_BYTES] {
        ((u128::from(self.offset) << 64) | u128::from(self.at.0.cast_unsigned())).to_be_bytes()
    }

    fn from_bytes(bytes: [u8; NOTE_BYTES]) -> Note {
        let both = u128::from_be_bytes(bytes);
        // Each half is what it is called.
        let [offset, at] = [both >> 64, both & u128::from(u64::MAX)].map(|half| half as u64);
        Note { offset, at: Time(at.cast_signed()) }
    }
}

/// Least time between two notes when so many were written: with all that a step can print in a day there are fewer than
/// 64,000, which is 1 MiB, and none is coarser than a four-thousandth of the time that the step has taken by then.
pub fn pace(notes: u64) -> Duration {
    let doublings = u32::try_from(notes / NOTES_PER_PACE).unwrap_or(u32::MAX);
    let factor = 2u32.checked_pow(doublings).unwrap_or(u32::MAX);
    FIRST_PACE.saturating_mul(factor).min(LAST_PACE)
}

/// The notes in a file of them, by ascending offset. A note that is cut off, or that stands where a damaged disk put
/// it, is left out; a file of another version has none.
pub fn read(file: &[u8]) -> Vec<Note> {
    let Some(rest) = file.strip_prefix(&HEADER) else { return vec![] };
    let (notes, _) = rest.as_chunks::<NOTE_BYTES>();
    let mut read: Vec<Note> = vec![];
    for note in notes.iter().map(|bytes| Note::from_bytes(*bytes)) {
        if note.at.0 > 0 && read.last().is_none_or(|last| last.offset < note.offset) {
            read.push(note);
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn notes_are_read_as_they_were_written(
            gaps in prop::collection::vec((1..u64::from(u32::MAX), 1..i64::MAX), 0..20),
            cut in 0..16usize,
        ) {
            let mut notes = vec![];
            let mut offset = 0;
            for (gap, at) in gaps {
                offset += gap;
                notes.push(Note { offset, at: Time(at) });
            }
            let mut file = HEADER.to_vec();
            notes.iter().for_each(|note| file.extend(note.to_bytes()));
            file.extend(&[7; 16][..cut]);
            prop_assert_eq!(read(&file), notes);
        }

        #[test]
        fn whatever_a_file_holds_is_read_in_order(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let notes = read(&[&HEADER[..], &bytes].concat());
            prop_assert!(notes.windows(2).all(|pair| matches!(pair, [a, b] if a.offset < b.offset)));
            prop_assert!(read(&bytes).is_empty() || bytes.starts_with(&HEADER));
        }
    }

    #[test]
    fn a_day_of_output_has_few_notes_and_none_is_far_off() {
        let (mut notes, mut spent) = (0, Duration::ZERO);
        while spent < Duration::from_secs(86_400) {
            let pace = pace(notes);
            assert!(pace <= FIRST_PACE || pace * 4000 < spent, "{notes}: {pace:?} of {spent:?}");
            spent += pace;
            notes += 1;
        }
        assert!(notes * 16 < 1 << 20, "{notes}");
        assert_eq!(pace(u64::MAX), LAST_PACE);
    }

    #[test]
    fn another_version_says_nothing() {
        assert_eq!(read(b"ropewalk-times 2aaaaaaaaaaaaaaaa"), []);
        assert_eq!(read(&HEADER), []);
    }
}
