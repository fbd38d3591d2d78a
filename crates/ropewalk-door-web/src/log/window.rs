//! Part of a log as lines with their numbers, without reading what stands before or after it.

use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::{OpenLog, READ_MAX};
use ropewalk_core::port::{Landmark, Seek};

/// Bytes of one line that are kept.
pub(crate) const LINE_MAX: usize = 64 << 10;
/// Bytes that are read for one window: enough for the way from a landmark and some very long lines.
const READ_FOR_WINDOW: u64 = 16 << 20;

/// A line as its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Where it begins in the log.
    pub(crate) offset: u64,
    /// Without the newline; at most [`LINE_MAX`].
    pub(crate) bytes: Vec<u8>,
    /// Bytes of it that are not in `bytes`.
    pub(crate) left_out: u64,
    /// Its newline has been written.
    pub(crate) is_whole: bool,
}

/// Which part is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// From this line on.
    From(u64),
    /// The last lines, so many bytes at most.
    Tail(u64),
}

/// Lines in order, with what is known of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) lines: Vec<Line>,
    /// Where the first line that is not in it begins; the size of the log if that has no more.
    pub(crate) end: u64,
    /// Bytes of the log.
    pub(crate) size: u64,
    /// Newlines of the log.
    pub(crate) newlines: u64,
    /// The log will not grow.
    pub(crate) is_complete: bool,
}

impl Window {
    /// Lines of the log; an unfinished one counts.
    pub(crate) fn total(&self) -> u64 {
        let is_unfinished = self.lines.last().is_some_and(|last| !last.is_whole && self.end >= self.size);
        self.newlines + u64::from(is_unfinished)
    }
}

/// Reads at most `count` lines and about `bytes` bytes.
pub(crate) async fn read(
    farm: &Farm,
    open: OpenLog,
    wanted: Wanted,
    count: usize,
    bytes: u64,
) -> Result<Window, Error> {
    let now = farm.read_log(open, 0, 0).await?;
    let (size, is_complete) = (now.size, now.complete);
    let (start, newlines) = ends(farm, open, wanted, size).await?;
    let mut reader = Reader::new(farm, open, start, size);
    match wanted {
        Wanted::From(line) => reader.skip_to_line(line.max(1)).await?,
        Wanted::Tail(bytes) => reader.skip_to_tail(size.saturating_sub(bytes)).await?,
    }
    let mut lines: Vec<Line> = Vec::new();
    let mut taken = 0;
    while lines.len() < count && taken < bytes {
        let Some(line) = reader.line().await? else { break };
        taken += line.bytes.len() as u64 + 1;
        lines.push(line);
    }
    Ok(Window { lines, end: reader.at.offset, size, newlines, is_complete })
}

/// Where the line begins in which a byte stands, or that begins with it.
pub(crate) async fn line_start(farm: &Farm, open: OpenLog, offset: u64) -> Result<Landmark, Error> {
    if offset == 0 {
        return Ok(Landmark::default());
    }
    let near = farm.log_landmark(open, Seek::Offset(offset)).await?;
    let mut reader = Reader::new(farm, open, near, offset);
    loop {
        let start = reader.at;
        match reader.line().await? {
            Some(line) if line.is_whole => {}
            _ => return Ok(start),
        }
    }
}

/// A landmark before the part, and all newlines of the log.
async fn ends(farm: &Farm, open: OpenLog, wanted: Wanted, size: u64) -> Result<(Landmark, u64), Error> {
    let seek = match wanted {
        Wanted::From(line) => Seek::Newlines(line.saturating_sub(1)),
        Wanted::Tail(bytes) => Seek::Offset(size.saturating_sub(bytes)),
    };
    let start = farm.log_landmark(open, seek).await?;
    let last = farm.log_landmark(open, Seek::Offset(size)).await?;
    let mut reader = Reader::new(farm, open, last, size);
    reader.skip_to_line(u64::MAX).await?;
    Ok((start, reader.at.newlines))
}

/// Goes forward through the lines of a log.
pub(crate) struct Reader<'a> {
    farm: &'a Farm,
    open: OpenLog,
    /// Bytes that are read at most from.
    size: u64,
    /// Where the next line begins.
    pub(crate) at: Landmark,
    buffer: Vec<u8>,
    /// Offset of the first byte in `buffer`.
    buffered_at: u64,
    may_read: u64,
}

impl<'a> Reader<'a> {
    /// Begins at a place before which so many newlines stand.
    pub(crate) fn new(farm: &'a Farm, open: OpenLog, at: Landmark, size: u64) -> Reader<'a> {
        let buffered_at = at.offset;
        Reader { farm, open, size, at, buffer: vec![], buffered_at, may_read: READ_FOR_WINDOW }
    }

    /// Lets it read so many bytes altogether.
    pub(crate) fn up_to(self, may_read: u64) -> Reader<'a> {
        Reader { may_read, ..self }
    }

    /// Whether it has read all that it may.
    pub(crate) fn is_spent(&self) -> bool {
        self.may_read == 0 && self.at.offset < self.size
    }

    async fn skip_to_line(&mut self, line: u64) -> Result<(), Error> {
        while self.at.newlines + 1 < line {
            let missing = usize::try_from(line - self.at.newlines - 1).unwrap_or(usize::MAX);
            let rest = self.rest().await?;
            if rest.is_empty() {
                return Ok(());
            }
            let length = rest.len();
            let nth = memchr::memchr_iter(b'\n', rest).nth(missing - 1);
            let (passed, newlines) = match nth {
                Some(at) => (at + 1, missing),
                None => (length, memchr::memchr_iter(b'\n', rest).count()),
            };
            self.at.offset += passed as u64;
            self.at.newlines += newlines as u64;
        }
        Ok(())
    }

    /// To the first line that begins at `offset` or behind it; to `offset` itself if the last line began before.
    async fn skip_to_tail(&mut self, offset: u64) -> Result<(), Error> {
        if offset == 0 {
            return Ok(());
        }
        // The byte before decides whether a line begins here.
        self.count_to(offset - 1).await?;
        let before = self.at;
        loop {
            let rest = self.rest().await?;
            let (length, newline) = (rest.len() as u64, memchr::memchr(b'\n', rest));
            match newline {
                Some(at) if self.at.offset + at as u64 + 1 < self.size => {
                    self.at.offset += at as u64 + 1;
                    self.at.newlines += 1;
                    return Ok(());
                }
                None if length > 0 => self.at.offset += length,
                // The last line is all that there is, and longer than what is wanted of it.
                _ => {
                    self.at = Landmark { offset, ..before };
                    self.buffer.clear();
                    return Ok(());
                }
            }
        }
    }

    async fn count_to(&mut self, offset: u64) -> Result<(), Error> {
        while self.at.offset < offset {
            let wanted = usize::try_from(offset - self.at.offset).unwrap_or(usize::MAX);
            let rest = self.rest().await?;
            let passed = rest.get(..wanted).unwrap_or(rest);
            if passed.is_empty() {
                return Ok(());
            }
            let (length, newlines) = (passed.len(), memchr::memchr_iter(b'\n', passed).count());
            self.at.offset += length as u64;
            self.at.newlines += newlines as u64;
        }
        Ok(())
    }

    /// The next line; none at the end of the log, or when enough was read.
    pub(crate) async fn line(&mut self) -> Result<Option<Line>, Error> {
        let mut line = Line {
            number: self.at.newlines + 1,
            offset: self.at.offset,
            bytes: Vec::new(),
            left_out: 0,
            is_whole: false,
        };
        while !line.is_whole {
            let rest = self.rest().await?;
            if rest.is_empty() {
                break;
            }
            let newline = memchr::memchr(b'\n', rest);
            let text = rest.get(..newline.unwrap_or(rest.len())).unwrap_or_default();
            let kept = text.get(..LINE_MAX.saturating_sub(line.bytes.len())).unwrap_or(text);
            line.bytes.extend_from_slice(kept);
            line.left_out += (text.len() - kept.len()) as u64;
            line.is_whole = newline.is_some();
            let passed = text.len() as u64 + u64::from(line.is_whole);
            self.at.offset += passed;
            self.at.newlines += u64::from(line.is_whole);
        }
        Ok((self.at.offset > line.offset).then_some(line))
    }

    /// Bytes from here on; none at the end of the log, or when enough was read.
    async fn rest(&mut self) -> Result<&[u8], Error> {
        let gone = usize::try_from(self.at.offset.saturating_sub(self.buffered_at)).unwrap_or(usize::MAX);
        if gone >= self.buffer.len() {
            let left = self.size.saturating_sub(self.at.offset).min(self.may_read);
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(READ_MAX);
            self.buffer = match length {
                0 => vec![],
                length => self.farm.read_log(self.open, self.at.offset, length).await?.bytes,
            };
            self.buffered_at = self.at.offset;
            self.may_read -= self.buffer.len() as u64;
            return Ok(&self.buffer);
        }
        Ok(self.buffer.get(gone..).unwrap_or_default())
    }
}
