//! The cache of blobs: `blobs/sha256/HEX`, each whole and verified; `HEX.part` is on its way.

use super::client::{Client, header_values};
use super::error::At;
use super::{RegistryError, TRIES, pause};
use crate::image::oci;
use crate::image::progress::Progress;
use crate::image::source::hex_of;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const PART: &str = "part";
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// How long a part waits for somebody who goes on with it.
const KEEP_PARTS: Duration = Duration::from_secs(86_400);
/// How often another process's lock is tried.
const LOOK: Duration = Duration::from_millis(100);

/// Blobs below one folder.
pub(in crate::image) struct Blobs {
    folder: PathBuf,
    /// Shared: nobody clears blobs away while one is used.
    _lock: File,
}

/// One blob that an image names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) digest: String,
    pub(super) size: u64,
    /// What it is, in words.
    pub(super) title: String,
}

impl Blobs {
    /// The blobs below `images`; the folder is made when needed.
    pub(in crate::image) fn open(images: &Path) -> Result<Blobs, RegistryError> {
        let folder = images.join("blobs/sha256");
        fs::create_dir_all(&folder).at(format_args!("create {}", folder.display()))?;
        let lock = lock_file(&folder)?;
        flock(&lock, FlockOperation::LockShared).at("lock the blobs")?;
        Ok(Blobs { folder, _lock: lock })
    }

    /// Keeps bytes that were verified.
    pub(super) fn keep(&self, digest: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let path = self.path(digest)?;
        let mut part = Part::open(&path, &mut Progress::silent())?;
        if path.exists() {
            return Ok(());
        }
        part.begin_anew()?;
        part.file.write_all(bytes).at(format_args!("write {}", path.display()))?;
        part.keep(&path)
    }

    /// Makes sure that a blob is there.
    pub(super) fn fetch(
        &self,
        client: &mut Client,
        wanted: &Wanted,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        let path = self.path(&wanted.digest)?;
        if path.metadata().is_ok_and(|meta| meta.len() == wanted.size) {
            progress.say(format_args!("{}: already here", wanted.title));
            return Ok(());
        }
        let mut part = Part::open(&path, progress)?;
        if path.exists() {
            return Ok(());
        }
        let mut tries = 0;
        let mut began = Instant::now();
        loop {
            let before = part.length()?;
            match part.download(client, wanted, progress) {
                Ok(()) => return part.keep(&path),
                Err(error @ RegistryError::Digest { .. }) if before > 0 => {
                    progress.say(format_args!("{}: beginning anew: {error}", wanted.title));
                    part.begin_anew()?;
                }
                Err(error) => {
                    // Whoever goes on fast enough gets somewhere in the end.
                    let more = part.length()?.saturating_sub(before);
                    let onward = more > 0 && client.pace.allows(more, began.elapsed());
                    tries = if onward { 1 } else { tries + 1 };
                    if tries >= TRIES || !error.may_pass() {
                        return Err(part.give_up(error));
                    }
                    progress.say(format_args!("{}: trying again: {error}", wanted.title));
                    began = Instant::now();
                    pause(tries);
                }
            }
        }
    }

    /// Removes those of these blobs whose bytes are not what their names say; answers how many.
    pub(in crate::image) fn drop_spoilt(&self, digests: &BTreeSet<String>) -> usize {
        let spoilt = |digest: &&String| {
            let path = self.path(digest).ok()?;
            let found = digest_of(&mut File::open(&path).ok()?).ok()?;
            (found != **digest).then(|| fs::remove_file(path).ok()).flatten()
        };
        digests.iter().filter_map(|digest| spoilt(&digest)).count()
    }

    fn path(&self, digest: &str) -> Result<PathBuf, RegistryError> {
        let hex = hex_of(digest).ok_or_else(|| RegistryError::Malformed {
            what: "a digest".into(),
            why: "it is not sha256: and 64 hex digits".into(),
        })?;
        Ok(self.folder.join(hex))
    }
}

/// Removes blobs that no image names, and parts that nobody went on with. Leaves all of them when somebody uses any.
/// `named` is asked when nobody can add any.
pub(in crate::image) fn sweep(images: &Path, named: impl FnOnce() -> Option<BTreeSet<String>>) {
    let folder = images.join("blobs/sha256");
    let Ok(lock) = lock_file(&folder) else { return };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return;
    }
    let Some(named) = named() else { return };
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        let old = || {
            let changed = entry.metadata().and_then(|meta| meta.modified()).ok();
            changed
                .and_then(|at| SystemTime::now().duration_since(at).ok())
                .is_some_and(|age| age > KEEP_PARTS)
        };
        let goes = match name.strip_suffix(&format!(".{PART}")) {
            Some(_) => old(),
            None => name != LOCK && !named.contains(&format!("sha256:{name}")),
        };
        if goes {
            let _ = fs::remove_file(entry.path());
        }
    }
}

const LOCK: &str = ".lock";

fn lock_file(folder: &Path) -> Result<File, RegistryError> {
    let path = folder.join(LOCK);
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .at(format_args!("open {}", path.display()))
}

/// A blob on its way. Only one process at a time has it.
struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// Opens the part of a blob and waits until nobody else has it.
    fn open(blob: &Path, progress: &mut Progress<'_>) -> Result<Part, RegistryError> {
        let path = blob.with_extension(PART);
        let doing = || format!("open {}", path.display());
        let mut told = false;
        loop {
            let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
            let file = file.at(doing())?;
            while let Err(e) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
                if e != rustix::io::Errno::WOULDBLOCK {
                    return Err(e).at(doing());
                }
                if !std::mem::replace(&mut told, true) {
                    progress.say("another process fetches this part: waiting for it");
                }
                std::thread::sleep(LOOK);
            }
            // Whoever had it may have given it its final name, or removed it.
            let here = fs::metadata(&path).ok().map(|meta| meta.ino());
            if blob.exists() || here == file.metadata().ok().map(|meta| meta.ino()) {
                return Ok(Part { file, path });
            }
        }
    }

    fn length(&self) -> Result<u64, RegistryError> {
        Ok(self.file.metadata().at(format_args!("look at {}", self.path.display()))?.len())
    }

    fn begin_anew(&mut self) -> Result<(), RegistryError> {
        self.file
            .set_len(0)
            .and_then(|()| self.file.rewind())
            .at(format_args!("empty {}", self.path.display()))
    }

    /// Downloads what is missing and verifies the whole.
    fn download(
        &mut self,
        client: &mut Client,
        wanted: &Wanted,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        if self.length()? > wanted.size {
            self.begin_anew()?;
        }
        let have = self.length()?;
        if have < wanted.size {
            self.take(client, wanted, have, progress)?;
        }
        let found = digest_of(&mut self.file).at(format_args!("read {}", self.path.display()))?;
        if found == wanted.digest {
            return Ok(());
        }
        Err(RegistryError::Digest { what: wanted.digest.clone(), found })
    }

    fn take(
        &mut self,
        client: &mut Client,
        wanted: &Wanted,
        mut have: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), RegistryError> {
        let answer = client.get(&format!("blobs/{}", wanted.digest), "*/*", have)?;
        let continues = answer.response.status() == 206
            && header_values(&answer.response, "content-range")
                .iter()
                .any(|range| range.starts_with(&format!("bytes {have}-")));
        if have > 0 && !continues {
            self.begin_anew()?;
            have = 0;
        }
        let too_long = || RegistryError::TooLong { what: wanted.digest.clone(), limit: wanted.size };
        let declared = answer.response.body().content_length();
        if declared.is_some_and(|length| length > wanted.size - have) {
            return Err(too_long());
        }
        self.file.seek(SeekFrom::Start(have)).at(format_args!("seek in {}", self.path.display()))?;
        let url = answer.url.clone();
        let broken = |e: io::Error| RegistryError::Transport { url: url.clone(), why: e.to_string() };
        let mut body = answer.body();
        let mut piece = vec![0; PIECE];
        loop {
            let read = body.read(&mut piece).map_err(broken)?;
            let bytes = piece.get(..read).unwrap_or_default();
            if read == 0 {
                break;
            }
            have += read as u64;
            if have > wanted.size {
                return Err(too_long());
            }
            self.file.write_all(bytes).at(format_args!("write {}", self.path.display()))?;
            progress.bytes(&wanted.title, have, wanted.size);
        }
        if have < wanted.size {
            return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, "the bytes end too early")));
        }
        Ok(())
    }

    /// Gives it its final name.
    fn keep(self, blob: &Path) -> Result<(), RegistryError> {
        self.file
            .sync_data()
            .and_then(|()| fs::rename(&self.path, blob))
            .at(format_args!("keep {}", blob.display()))
    }

    /// What was taken may be gone on with, unless it cannot be right.
    fn give_up(self, error: RegistryError) -> RegistryError {
        if !error.may_pass() {
            let _ = fs::remove_file(&self.path);
        }
        error
    }
}

fn digest_of(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(oci::hex(&hash.finalize())),
            read => hash.update(piece.get(..read).unwrap_or_default()),
        }
    }
}
