//! Reading an archive once, from its first byte to its last, with a bound on everything.

use super::info::INFO_MAX;
use super::{Info, Package, PackageError, PackageLimits, shown};
use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use tar::{Archive, Entry, EntryType};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// Where a tar header has its mark.
const USTAR_AT: usize = 257;
/// Bytes looked at to tell what it is.
const START: usize = 512;
/// Bytes of memory for an xz dictionary; `makepkg` needs 64 MiB at most.
const XZ_MEMORY: u64 = 256 << 20;
/// Bytes of the headers of one entry, long names included.
const HEADERS_MAX: u64 = 1 << 20;
/// Bytes of a path, as on every file system that a package is unpacked to.
const PATH_MAX: usize = 4096;
/// Bytes of one part of a path.
const PART_MAX: usize = 255;
/// Files that describe the package and are not part of it.
const ABOUT: [&str; 5] = [".BUILDINFO", ".INSTALL", ".MTREE", ".PKGINFO", ".CHANGELOG"];

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names")]
pub enum Compression {
    Zstd,
    Xz,
    Gzip,
    None,
}

impl Compression {
    /// What the name of the file ends in.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::Zstd => ".zst",
            Compression::Xz => ".xz",
            Compression::Gzip => ".gz",
            Compression::None => "",
        }
    }
}

/// Reads a package until somebody says that it is no longer wanted. May take long: not for threads that must not block.
pub fn read(
    mut source: impl Read,
    limits: &PackageLimits,
    given_up: &AtomicBool,
) -> Result<Package, PackageError> {
    let mut start = vec![];
    (&mut source).take(START as u64).read_to_end(&mut start).map_err(broken)?;
    let compression = compression(&start)?;
    let source = BufReader::with_capacity(256 << 10, Cursor::new(start).chain(source));
    let plain: Box<dyn Read + '_> = match compression {
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(source).map_err(broken)?),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Xz => {
            let stream =
                liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED);
            let stream = stream.map_err(|error| PackageError::Broken(error.to_string()))?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(source, stream))
        }
        Compression::None => Box::new(source),
    };
    let (info, files) = walk(plain, limits, given_up)?;
    Ok(Package { info, compression, files })
}

fn compression(start: &[u8]) -> Result<Compression, PackageError> {
    let is_tar = start.get(USTAR_AT..USTAR_AT + 5) == Some(b"ustar");
    match start {
        _ if start.starts_with(&ZSTD) => Ok(Compression::Zstd),
        _ if start.starts_with(&XZ) => Ok(Compression::Xz),
        _ if start.starts_with(&GZIP) => Ok(Compression::Gzip),
        _ if is_tar => Ok(Compression::None),
        _ => Err(PackageError::Unknown),
    }
}

/// Counts what is read, against the whole and against what may be read for now.
struct Metered<'a, R> {
    source: R,
    given_up: &'a AtomicBool,
    /// Of the whole archive.
    left: u64,
    /// Until somebody sets it anew; the library reads headers of any length into memory.
    for_now: Rc<Cell<u64>>,
}

const TOO_LONG: &str = "more than it may hold";

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(io::Error::other("whoever sent it waits no longer"));
        }
        let most = self.left.min(self.for_now.get());
        if most == 0 && !buffer.is_empty() {
            // Whether there is more decides: an archive that ends exactly here is whole.
            let mut one = [0];
            return match self.source.read(&mut one)? {
                0 => Ok(0),
                _ => Err(io::Error::new(io::ErrorKind::FileTooLarge, TOO_LONG)),
            };
        }
        let length = buffer.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let count = self.source.read(buffer.get_mut(..length).unwrap_or_default())?;
        self.left -= count as u64;
        self.for_now.set(self.for_now.get() - count as u64);
        Ok(count)
    }
}

fn walk(
    plain: impl Read,
    limits: &PackageLimits,
    given_up: &AtomicBool,
) -> Result<(Info, String), PackageError> {
    let for_now = Rc::new(Cell::new(HEADERS_MAX));
    let metered = Metered { source: plain, given_up, left: limits.unpacked, for_now: for_now.clone() };
    let mut archive = Archive::new(metered);
    let (mut info, mut seen) = (None, Seen::default());
    let mut entries = archive.entries().map_err(broken)?;
    loop {
        for_now.set(HEADERS_MAX);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(broken)?;
        let path = seen.judge(&entry, limits)?;
        for_now.set(u64::MAX);
        if path == ".PKGINFO" {
            if info.replace(pkginfo(&mut entry)?).is_some() {
                return Err(PackageError::Forbidden("two files .PKGINFO".into()));
            }
        } else {
            drain(&mut entry)?;
        }
    }
    for_now.set(u64::MAX);
    // To the end of the compressed stream, where its sums are.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    let info = info.ok_or_else(|| PackageError::Info("there is none in the archive".into()))?;
    Ok((info, seen.files))
}

fn drain<R: Read>(entry: &mut Entry<'_, R>) -> Result<(), PackageError> {
    let size = entry.size();
    match io::copy(entry, &mut io::sink()).map_err(broken)? {
        read if read == size => Ok(()),
        _ => Err(PackageError::Broken("it ends within a file".into())),
    }
}

fn pkginfo<R: Read>(entry: &mut Entry<'_, R>) -> Result<Info, PackageError> {
    if entry.header().entry_type() != EntryType::Regular {
        return Err(PackageError::Forbidden("a .PKGINFO that is no file".into()));
    }
    let size = entry.size();
    if size > INFO_MAX {
        return Err(PackageError::TooLarge(format!(".PKGINFO has more than {INFO_MAX} bytes")));
    }
    let mut bytes = vec![];
    entry.read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 != size {
        return Err(PackageError::Broken("it ends within .PKGINFO".into()));
    }
    let text = String::from_utf8(bytes).map_err(|_| PackageError::Info("it is not UTF-8".into()))?;
    Info::parse(&text)
}

/// What was met so far.
#[derive(Default)]
struct Seen {
    entries: u64,
    files: String,
    links: Links,
}

/// Links that were met. Asking for all folders of a path reads the path once, however long it is.
#[derive(Default)]
struct Links {
    hashing: RandomState,
    hashes: HashSet<u64>,
    paths: HashSet<String>,
}

impl Links {
    fn insert(&mut self, path: &str) {
        let mut hasher = self.hashing.build_hasher();
        hasher.write(path.as_bytes());
        self.hashes.insert(hasher.finish());
        self.paths.insert(path.into());
    }

    /// The first folder of a path that is a link.
    fn above<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut hasher = self.hashing.build_hasher();
        let mut from = 0;
        for (at, _) in path.match_indices('/') {
            hasher.write(path.get(from..at)?.as_bytes());
            from = at;
            let folder = path.get(..at)?;
            if self.hashes.contains(&hasher.finish()) && self.paths.contains(folder) {
                return Some(folder);
            }
        }
        None
    }
}

impl Seen {
    /// Passes entries that `makepkg` can have written, notes them, and answers their path without the slash at its end.
    fn judge<R: Read>(
        &mut self,
        entry: &Entry<'_, R>,
        limits: &PackageLimits,
    ) -> Result<String, PackageError> {
        self.entries += 1;
        if self.entries > limits.entries {
            return Err(PackageError::TooLarge(format!("it holds more than {} files", limits.entries)));
        }
        let bytes = entry.path_bytes();
        let path = String::from_utf8(bytes.to_vec())
            .map_err(|_| PackageError::Forbidden("a path that is not UTF-8".into()))?;
        let kind = entry.header().entry_type();
        let is_folder = kind == EntryType::Directory;
        let path = path.trim_end_matches('/').to_string();
        check_path(&path)?;
        match kind {
            EntryType::Regular | EntryType::Directory | EntryType::Symlink => {}
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = std::str::from_utf8(&target);
                check_path(target.map_err(|_| PackageError::Forbidden("a link that is not UTF-8".into()))?)?;
            }
            _ => {
                let path = shown(&path);
                return Err(PackageError::Forbidden(format!("{path:?}, which is no file, folder or link")));
            }
        }
        if let Some(link) = self.links.above(&path) {
            let (path, link) = (shown(&path), shown(link));
            return Err(PackageError::Forbidden(format!("{path:?}, which lies behind the link {link:?}")));
        }
        if kind == EntryType::Symlink {
            self.links.insert(&path);
        }
        if !ABOUT.contains(&path.as_str()) {
            self.files.push_str(&path);
            self.files.push_str(if is_folder { "/\n" } else { "\n" });
        }
        if self.files.len() > limits.paths {
            let most = limits.paths;
            return Err(PackageError::TooLarge(format!(
                "its paths have more than {most} bytes (arch.file-list)"
            )));
        }
        Ok(path)
    }
}

fn check_path(path: &str) -> Result<(), PackageError> {
    if path.len() > PATH_MAX || path.split('/').any(|part| part.len() > PART_MAX) {
        return Err(PackageError::TooLarge(format!(
            "a path has more than {PATH_MAX} bytes, or a part of it more than {PART_MAX}: {:?}…",
            shown(path)
        )));
    }
    let leads_out =
        Path::new(path).is_absolute() || path.split('/').any(|part| matches!(part, "" | "." | ".."));
    if leads_out || path.chars().any(char::is_control) {
        return Err(PackageError::Forbidden(format!("the path {:?}", shown(path))));
    }
    Ok(())
}

fn broken(error: io::Error) -> PackageError {
    // The library wraps errors in its own.
    let text = error.to_string();
    let inner = error.get_ref().and_then(std::error::Error::source).map(ToString::to_string);
    if text.contains(TOO_LONG) || inner.is_some_and(|inner| inner.contains(TOO_LONG)) {
        return PackageError::TooLarge("unpacked it has more bytes than it may have (arch.unpacked)".into());
    }
    PackageError::Broken(text)
}

#[cfg(test)]
mod tests;
