//! How the logs of several attempts become one.
//!
//! Chapters that have bytes follow one another, with a line between that says which attempt begins. The line is
//! there from the first byte after it on, and its text never changes: together with earlier chapters that never grow
//! again, an offset once served stays valid.

use ropewalk_model::ids::JobId;

/// Part of a log: a chapter, or a mark between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Position of the chapter; none for a mark.
    pub(super) chapter: Option<usize>,
    /// Text of the mark.
    pub(super) mark: String,
    begin: u64,
    length: u64,
}

impl Part {
    /// Where in the whole log it begins.
    pub(super) fn begin(&self) -> u64 {
        self.begin
    }

    /// Where in this part an offset of the whole log lies, and how many bytes the part has from there on.
    pub(super) fn range(&self, offset: u64) -> (u64, u64) {
        let start = offset.saturating_sub(self.begin).min(self.length);
        (start, self.length - start)
    }
}

/// All parts of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    parts: Vec<Part>,
    size: u64,
}

impl Layout {
    /// Lays out chapters of these sizes.
    pub(super) fn new(job: JobId, sizes: impl Iterator<Item = u64>) -> Layout {
        let mut layout = Layout { parts: Vec::new(), size: 0 };
        for (at, size) in sizes.enumerate().filter(|(_, size)| *size > 0) {
            if layout.size > 0 {
                let mark = mark(job, at + 1);
                layout.push(None, mark.len() as u64, mark);
            }
            layout.push(Some(at), size, String::new());
        }
        layout
    }

    /// Bytes of all parts.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The part in which an offset lies and all after it.
    pub(super) fn parts_from(&self, offset: u64) -> impl Iterator<Item = &Part> {
        self.parts.iter().skip_while(move |part| part.begin + part.length <= offset)
    }

    fn push(&mut self, chapter: Option<usize>, length: u64, mark: String) {
        self.parts.push(Part { chapter, mark, begin: self.size, length });
        self.size += length;
    }
}

/// The line before a later attempt. The attempt before may have ended within a line.
fn mark(job: JobId, number: usize) -> String {
    format!("\n[#{job}] Attempt {number} begins. What stands above is of an earlier one.\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const JOB: JobId = JobId(42);

    #[test]
    fn chapters_with_bytes_have_a_line_between() {
        let between = mark(JOB, 3).len() as u64;
        let layout = Layout::new(JOB, [10, 0, 5, 0].into_iter());
        let parts: Vec<_> = layout.parts.iter().map(|part| (part.chapter, part.begin, part.length)).collect();
        assert_eq!(parts, [(Some(0), 0, 10), (None, 10, between), (Some(2), 10 + between, 5)]);
        assert_eq!(layout.size(), 15 + between);
    }

    #[test]
    fn the_first_bytes_have_no_line_before_them() {
        let layout = Layout::new(JOB, [0, 0, 5].into_iter());
        assert_eq!(layout.parts.len(), 1);
        assert_eq!(Layout::new(JOB, [0, 0].into_iter()).size(), 0);
    }

    #[test]
    fn an_offset_finds_its_part() {
        let layout = Layout::new(JOB, [10, 5].into_iter());
        assert_eq!(layout.parts_from(9).next().unwrap().range(9), (9, 1));
        assert_eq!(layout.parts_from(10).next().unwrap().chapter, None);
        assert_eq!(layout.parts_from(layout.size() - 1).next().unwrap().range(layout.size() - 1), (4, 1));
        assert!(layout.parts_from(layout.size()).next().is_none());
    }

    #[test]
    fn growing_the_last_chapter_moves_nothing() {
        let (before, after) =
            (Layout::new(JOB, [10, 5].into_iter()), Layout::new(JOB, [10, 6, 0].into_iter()));
        let begins = |layout: &Layout| layout.parts.iter().map(|part| part.begin).collect::<Vec<_>>();
        assert_eq!(begins(&before), begins(&after));
    }
}
