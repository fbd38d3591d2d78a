//! Logs of running attempts: one plain file each.
//!
//! Readers see durable bytes only, so that not even a crash of the machine takes back what was served.

use super::lines::Lines;
use crate::files;
use ropewalk_core::port::{Landmark, Seek, StoreError};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::ids::AttemptId;
use ropewalk_model::link::{LogFile, LogName, LogPiece};
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Bytes read at once to count their newlines.
const COUNTED_AT_ONCE: usize = 1 << 20;
/// Attempts that are remembered as closed: many times those that can end within one append.
const CLOSED_MAX: usize = 4096;

/// The files below one folder. Every method may block.
pub(super) struct Appended {
    folder: PathBuf,
    known: Mutex<HashMap<(AttemptId, LogFile), Arc<Known>>>,
    /// Attempts whose logs take no further bytes. Only needed for an append on its way while its attempt ends: later
    /// ones are refused because their lease is over. So the oldest beyond [`CLOSED_MAX`] are forgotten.
    closed: Mutex<BTreeSet<AttemptId>>,
}

/// What is known of a file.
struct Known {
    /// Its durable bytes. It may have more after a write that failed; they are written over.
    durable: watch::Sender<u64>,
    /// Held while it is written.
    writing: Mutex<()>,
    /// Where its lines are, as far as somebody asked or this run wrote them.
    lines: Mutex<Lines>,
}

impl Appended {
    /// Opens the folder, made if it is missing. What an earlier run wrote is durable from then on.
    pub(super) fn open(folder: &Path) -> Result<Appended, StoreError> {
        files::create_folder(folder)?;
        sync_all(folder)?;
        Ok(Appended { folder: folder.into(), known: Mutex::default(), closed: Mutex::default() })
    }

    /// Appends what is new of a piece, and answers how many bytes are durable now.
    pub(super) fn append(&self, piece: &LogPiece) -> Result<u64, StoreError> {
        let path = self.path(piece.attempt, piece.log);
        let known = self.known(piece.attempt, piece.log)?;
        let _writing = lock(&known.writing);
        let durable = *known.durable.borrow();
        let new = match durable.checked_sub(piece.offset) {
            Some(stored) => piece.bytes.get(usize::try_from(stored).unwrap_or(usize::MAX)..),
            // A gap: the sender goes on where the answer says.
            None => None,
        };
        let Some(new) = new.filter(|new| !new.is_empty()) else { return Ok(durable) };
        if lock(&self.closed).contains(&piece.attempt) {
            return Err(StoreError::Superseded { attempt: piece.attempt.0 });
        }
        visit(Point::LogBeforeAppend);
        write(&path, durable, new, piece.log)?;
        visit(Point::LogAfterAppend);
        lock(&known.lines).note(durable, new);
        let durable = durable + new.len() as u64;
        known.durable.send_replace(durable);
        Ok(durable)
    }

    /// Bytes that readers may see; none if there is no file or nothing in it.
    pub(super) fn size(&self, attempt: AttemptId, log: LogFile) -> Result<Option<u64>, StoreError> {
        let known = lock(&self.known).get(&(attempt, log)).cloned();
        let size = match known {
            Some(known) => *known.durable.borrow(),
            None => length(&self.path(attempt, log))?,
        };
        Ok((size > 0).then_some(size))
    }

    /// Lets an attempt's logs grow no more: after this no append is under way, and none will add a byte.
    pub(super) fn close(&self, attempt: AttemptId) {
        let mut closed = lock(&self.closed);
        closed.insert(attempt);
        if closed.len() > CLOSED_MAX {
            closed.pop_first();
        }
        drop(closed);
        let of_attempt: Vec<_> = lock(&self.known)
            .iter()
            .filter(|((owner, _), _)| *owner == attempt)
            .map(|(_, known)| known.clone())
            .collect();
        of_attempt.iter().for_each(|known| drop(lock(&known.writing)));
    }

    /// An attempt's logs and where they are. What a failed write left in them is gone after this.
    pub(super) fn logs(&self, attempt: AttemptId) -> Result<Vec<(LogFile, PathBuf)>, StoreError> {
        let folder = self.attempt(attempt);
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(files::failed("list", &folder))?,
        };
        let mut logs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(files::failed("list", &folder))?;
            let Some(log) = entry.file_name().to_str().and_then(log_file) else { continue };
            let known = self.known(attempt, log)?;
            let _writing = lock(&known.writing);
            let durable = *known.durable.borrow();
            if durable > 0 {
                cut(&entry.path(), durable)?;
                logs.push((log, entry.path()));
            }
        }
        logs.sort();
        Ok(logs)
    }

    /// Attempts that have files.
    pub(super) fn attempts(&self) -> Result<Vec<AttemptId>, StoreError> {
        let failed = files::failed("list", &self.folder);
        let mut attempts = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(&failed)? {
            let name = entry.map_err(&failed)?.file_name();
            attempts.extend(name.to_str().and_then(|name| name.parse().ok()).map(AttemptId));
        }
        Ok(attempts)
    }

    /// Removes an attempt's files.
    pub(super) fn discard(&self, attempt: AttemptId) -> Result<(), StoreError> {
        let folder = self.attempt(attempt);
        match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(files::failed("remove", &folder)(e)),
            _ => files::sync_parent(&folder)?,
        }
        // Those who wait for growth are told by the end of the channel.
        lock(&self.known).retain(|(owner, _), _| *owner != attempt);
        lock(&self.closed).remove(&attempt);
        Ok(())
    }

    /// Bytes of a file. [`StoreError::Missing`] if there is none.
    pub(super) fn read(
        &self,
        attempt: AttemptId,
        log: LogFile,
        from: u64,
        length: usize,
    ) -> Result<Vec<u8>, StoreError> {
        let path = self.path(attempt, log);
        let file = match File::open(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                return Err(StoreError::Missing(format!("log of attempt {attempt}")));
            }
            other => other.map_err(files::failed("read", &path))?,
        };
        let mut bytes = vec![0; length];
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, from + read as u64) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(files::failed("read", &path)(e)),
            }
        }
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The last landmark at or before a place among the bytes that readers may see, and all newlines of these.
    pub(super) fn landmark(
        &self,
        attempt: AttemptId,
        log: LogFile,
        seek: Seek,
    ) -> Result<(Landmark, u64), StoreError> {
        let known = self.known(attempt, log)?;
        let durable = *known.durable.borrow();
        let mut lines = lock(&known.lines);
        while lines.counted() < durable {
            let piece = usize::try_from(durable - lines.counted()).unwrap_or(usize::MAX).min(COUNTED_AT_ONCE);
            let bytes = self.read(attempt, log, lines.counted(), piece)?;
            if bytes.is_empty() {
                break;
            }
            let at = lines.counted();
            lines.note(at, &bytes);
        }
        Ok((lines.landmark(seek), lines.newlines()))
    }

    /// Changes whenever the file grows after this call; ends when it goes.
    pub(super) fn growth(
        &self,
        attempt: AttemptId,
        log: LogFile,
    ) -> Result<watch::Receiver<u64>, StoreError> {
        Ok(self.known(attempt, log)?.durable.subscribe())
    }

    fn known(&self, attempt: AttemptId, log: LogFile) -> Result<Arc<Known>, StoreError> {
        let mut all = lock(&self.known);
        if let Some(known) = all.get(&(attempt, log)) {
            return Ok(known.clone());
        }
        let durable = length(&self.path(attempt, log))?;
        let known = Arc::new(Known {
            durable: watch::Sender::new(durable),
            writing: Mutex::default(),
            lines: Mutex::default(),
        });
        all.insert((attempt, log), known.clone());
        Ok(known)
    }

    fn attempt(&self, attempt: AttemptId) -> PathBuf {
        self.folder.join(attempt.to_string())
    }

    fn path(&self, attempt: AttemptId, log: LogFile) -> PathBuf {
        self.attempt(attempt).join(file_name(log))
    }
}

/// Ending of a file of times.
const TIMES: &str = ".times";

fn file_name(file: LogFile) -> String {
    let of_log = |log| match log {
        LogName::Setup => "setup".to_owned(),
        LogName::Step(position) => format!("step-{position}"),
    };
    match file {
        LogFile::Text(log) => of_log(log),
        LogFile::Times(log) => of_log(log) + TIMES,
    }
}

fn log_file(name: &str) -> Option<LogFile> {
    let of_log = |name: &str| match name.strip_prefix("step-") {
        Some(position) => position.parse().ok().map(LogName::Step),
        None => (name == "setup").then_some(LogName::Setup),
    };
    match name.strip_suffix(TIMES) {
        Some(name) => of_log(name).map(LogFile::Times),
        None => of_log(name).map(LogFile::Text),
    }
}

/// Writes bytes at `at`, durably, the name of a new file too; or leaves the bytes before them as they were. Times do
/// not wait for the disk: after a power failure the sender goes back to where the file ends.
fn write(path: &Path, at: u64, bytes: &[u8], file: LogFile) -> Result<(), StoreError> {
    let failed = files::failed("append to the log", path);
    if at == 0
        && let Some(folder) = path.parent()
    {
        files::create_folder(folder)?;
    }
    let is_synced = matches!(file, LogFile::Text(_));
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(&failed)?;
    let written = file.write_all_at(bytes, at);
    if let Err(e) = written.and_then(|()| if is_synced { file.sync_data() } else { Ok(()) }) {
        // The sender still has these bytes. They go, also because a disk that failed once to keep them may claim
        // later that it did; where even that fails they are written over, or cut when the log is sealed.
        let _ = file.set_len(at);
        return Err(failed(e));
    }
    if at == 0 && is_synced { files::sync_parent(path) } else { Ok(()) }
}

/// Makes all files below a folder durable. There are only those of attempts that run, or whose end was cut short.
fn sync_all(folder: &Path) -> Result<(), StoreError> {
    let failed = files::failed("sync", folder);
    for entry in std::fs::read_dir(folder).map_err(&failed)? {
        let entry = entry.map_err(&failed)?;
        if entry.file_type().map_err(&failed)?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path()).and_then(|file| file.sync_all()).map_err(&failed)?;
        }
    }
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(&failed)
}

/// Removes what a failed write may have left after `size` bytes.
fn cut(path: &Path, size: u64) -> Result<(), StoreError> {
    if length(path)? == size {
        return Ok(());
    }
    let failed = files::failed("cut", path);
    let file = OpenOptions::new().write(true).open(path).map_err(&failed)?;
    file.set_len(size).and_then(|()| file.sync_all()).map_err(&failed)
}

/// Bytes of a file; 0 if there is none.
fn length(path: &Path) -> Result<u64, StoreError> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(found.len()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(0),
        Err(e) => Err(files::failed("look at", path)(e)),
    }
}

/// A panic cannot happen while one of these is held; if it did, what is held would still be sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
