//! When the bytes of a log came, over all its chapters.

use super::layout::Part;
use super::{Chapter, DiskLogs};
use crate::files;
use ropewalk_core::port::{LogRef, LogTime, StoreError};
use ropewalk_model::link::LogFile;
use ropewalk_model::log_times::{Note, read};

/// Bytes of a chapter's notes that are looked at; a runner that keeps to the pace never writes so many.
const NOTES_MAX: usize = 4 << 20;

impl DiskLogs {
    pub(super) async fn read_times(
        &self,
        log: LogRef,
        from: u64,
        to: u64,
    ) -> Result<Vec<LogTime>, StoreError> {
        let (layout, _) = self.layout(log).await?;
        let file = LogFile::Times(log.log);
        let contents = self.index.contents(log.job, file).await?;
        let mut times = Vec::new();
        for part in layout.parts_from(from).take_while(|part| part.begin() < to) {
            // A mark between chapters is nobody's, and the first bytes of a chapter may have come before its notes.
            times.push(LogTime { offset: part.begin(), at: None });
            if let Some(chapter) = part.chapter.and_then(|at| contents.chapters.get(at)) {
                let notes = self.notes(file, chapter).await?;
                append(&mut times, part, &notes, from, to);
            }
        }
        Ok(times)
    }

    async fn notes(&self, file: LogFile, chapter: &Chapter) -> Result<Vec<Note>, StoreError> {
        let bytes = match &chapter.blob {
            Some(blob) => {
                let length = usize::try_from(blob.size).unwrap_or(NOTES_MAX).min(NOTES_MAX);
                self.blobs.read(blob, 0, length).await?
            }
            None => {
                let (appended, attempt) = (self.appended.clone(), chapter.attempt);
                let notes = move || match appended.size(attempt, file)? {
                    Some(size) => {
                        let length = usize::try_from(size).unwrap_or(NOTES_MAX).min(NOTES_MAX);
                        appended.read(attempt, file, 0, length)
                    }
                    None => Ok(vec![]),
                };
                match files::blocking(notes).await {
                    // It became a blob meanwhile, or was never sent: whoever asks again finds it.
                    Err(StoreError::Missing(_)) => vec![],
                    read => read?,
                }
            }
        };
        Ok(read(&bytes))
    }
}

/// Adds the notes of a part that say something about bytes from `from` up to `to`.
fn append(times: &mut Vec<LogTime>, part: &Part, notes: &[Note], from: u64, to: u64) {
    let start = part.range(from).0;
    let end = part.range(to).0;
    let first = notes.partition_point(|note| note.offset <= start).saturating_sub(1);
    let said = notes.iter().skip(first).take_while(|note| note.offset < end);
    times.extend(said.map(|note| LogTime { offset: part.begin() + note.offset, at: Some(note.at) }));
}
