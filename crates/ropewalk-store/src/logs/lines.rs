//! Where the lines of a growing log are: a landmark now and then, counted as the bytes pass.

use crate::blobs::format::count;
use ropewalk_core::port::{LANDMARKS_EVERY, Landmark, Seek};

/// Landmarks of the bytes from the first on.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Ascending, without the first byte.
    marks: Vec<Landmark>,
    /// The end of what was counted.
    end: Landmark,
}

impl Lines {
    /// Bytes that were counted.
    pub(super) fn counted(&self) -> u64 {
        self.end.offset
    }

    /// Newlines among them.
    pub(super) fn newlines(&self) -> u64 {
        self.end.newlines
    }

    /// Counts bytes that stand at `offset`, unless bytes before them were not counted yet.
    pub(super) fn note(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.end.offset {
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LANDMARKS_EVERY - self.end.offset % LANDMARKS_EVERY;
            let (now, later) = rest.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(rest.len()));
            self.end.offset += now.len() as u64;
            self.end.newlines += count(now) as u64;
            if self.end.offset.is_multiple_of(LANDMARKS_EVERY) {
                self.marks.push(self.end);
            }
            rest = later;
        }
    }

    /// The last landmark at or before a place; the end of what was counted if it lies behind.
    pub(super) fn landmark(&self, seek: Seek) -> Landmark {
        let is_behind = match seek {
            Seek::Offset(offset) => offset >= self.end.offset,
            Seek::Newlines(wanted) => wanted > self.end.newlines,
        };
        if is_behind {
            return self.end;
        }
        let is_before = |mark: &Landmark| match seek {
            Seek::Offset(offset) => mark.offset <= offset,
            Seek::Newlines(wanted) => mark.newlines < wanted,
        };
        let at = self.marks.partition_point(is_before);
        at.checked_sub(1).and_then(|last| self.marks.get(last)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_place_has_a_true_landmark_near_before_it(
            gaps in prop::collection::vec(1..300_000usize, 0..12),
            cut in 1..400_000usize,
            at in any::<prop::sample::Index>(),
        ) {
            let bytes: Vec<u8> = gaps.iter().flat_map(|gap| vec![b'x'; *gap].into_iter().chain([b'\n'])).collect();
            let mut lines = Lines::default();
            let mut offset = 0;
            for piece in bytes.chunks(cut) {
                lines.note(offset, piece);
                offset += piece.len() as u64;
            }
            lines.note(offset + 1, b"a gap is not counted");
            prop_assert_eq!((lines.counted(), lines.newlines()), (bytes.len() as u64, gaps.len() as u64));
            let place = at.index(bytes.len() + 1) as u64;
            let found = lines.landmark(Seek::Offset(place));
            prop_assert!(found.offset <= place && place - found.offset < LANDMARKS_EVERY);
            prop_assert_eq!(count(&bytes[..found.offset as usize]) as u64, found.newlines);
            let wanted = at.index(gaps.len() + 1);
            let start = gaps.iter().take(wanted).map(|gap| gap + 1).sum::<usize>() as u64;
            let found = lines.landmark(Seek::Newlines(wanted as u64));
            prop_assert!(found.offset <= start && start - found.offset <= LANDMARKS_EVERY);
            prop_assert_eq!(lines.landmark(Seek::Newlines(gaps.len() as u64 + 1)).offset, bytes.len() as u64);
        }
    }
}
