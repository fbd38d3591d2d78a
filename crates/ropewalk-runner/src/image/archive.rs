//! Where an image's parts come from: a folder, or an archive in which they are found by position.

use super::compression;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

/// Most entries of an outer archive (an image has a few dozen parts).
const MAX_PARTS: usize = 100_000;
/// Longest index, manifest or configuration in bytes.
const MAX_DOCUMENT: u64 = 4 << 20;

/// The parts of an image, by name relative to its root.
pub(super) enum Parts {
    /// An OCI layout folder.
    Folder(PathBuf),
    /// An archive, and where each part's bytes are in it: start and length.
    Archive(File, HashMap<String, (u64, u64)>),
}

/// Bytes of one part.
pub(super) struct Part {
    file: File,
    at: u64,
    end: u64,
}

impl Parts {
    /// Opens a folder or an archive; a compressed archive is unpacked into a nameless file in
    /// `scratch` first, at most `limit` bytes of it.
    pub(super) fn open(path: &Path, scratch: &Path, limit: u64) -> io::Result<Parts> {
        if path.is_dir() {
            return Ok(Parts::Folder(path.to_owned()));
        }
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if compression::is_compressed(&file)? {
            file = expand(file, scratch, limit)?;
        }
        let index = index(&mut file)?;
        Ok(Parts::Archive(file, index))
    }

    /// Whether there is a part of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Parts::Folder(root) => root.join(name).is_file(),
            Parts::Archive(_, index) => index.contains_key(name),
        }
    }

    /// Opens a part.
    pub(super) fn part(&self, name: &str) -> io::Result<Part> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{name} is missing"));
        match self {
            Parts::Folder(root) => {
                let file = File::open(root.join(name)).map_err(|_| missing())?;
                let end = file.metadata()?.len();
                Ok(Part { file, at: 0, end })
            }
            Parts::Archive(file, index) => {
                let (at, length) = *index.get(name).ok_or_else(missing)?;
                Ok(Part { file: file.try_clone()?, at, end: at.saturating_add(length) })
            }
        }
    }

    /// A small JSON part.
    pub(super) fn document(&self, name: &str) -> io::Result<Vec<u8>> {
        let part = self.part(name)?;
        if part.end - part.at > MAX_DOCUMENT {
            let why = format!("{name} is longer than {MAX_DOCUMENT} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let mut bytes = vec![];
        part.take(MAX_DOCUMENT).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The whole archive as one stream.
    pub(super) fn whole(&self) -> io::Result<Part> {
        match self {
            Parts::Folder(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "a folder")),
            Parts::Archive(file, _) => {
                Ok(Part { file: file.try_clone()?, at: 0, end: file.metadata()?.len() })
            }
        }
    }
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(into.get_mut(..left).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn expand(file: File, scratch: &Path, limit: u64) -> io::Result<File> {
    let mut plain = compression::plain(file)?.take(limit.saturating_add(1));
    let mut into = tempfile(scratch)?;
    if io::copy(&mut plain, &mut into)? > limit {
        let why = format!("unpacks to more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    into.flush()?;
    Ok(into)
}

fn tempfile(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(open(folder, flags, Mode::from(0o600))?.into())
}

fn index(file: &mut File) -> io::Result<HashMap<String, (u64, u64)>> {
    file.rewind()?;
    let mut parts = HashMap::new();
    let mut archive = tar::Archive::new(&*file);
    // A plain root may have millions of files: only the parts of an image are of interest, and
    // those come in few folders.
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if entry.header().entry_type() == tar::EntryType::Regular
            && let Some(name) = part_name(&entry.path()?)
        {
            parts.insert(name, (entry.raw_file_position(), entry.size()));
        }
        if parts.len() > MAX_PARTS {
            break;
        }
    }
    Ok(parts)
}

fn part_name(path: &Path) -> Option<String> {
    let mut name = vec![];
    for component in path.components() {
        match component {
            Component::Normal(part) => name.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(name.join("/"))
}
