//! Texts that a user names. A device or a pipe may have no end, so that each is read up to a limit.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Bytes of a manifest that is read at all. A server takes `limits.manifest`, and says so itself.
pub(crate) const MANIFEST_MAX: u64 = 1 << 20;
/// Bytes of a file of settings, secrets or a token.
pub(crate) const SETTINGS_MAX: u64 = 1 << 20;

/// A file's bytes; an error if there are more than `most`.
pub(crate) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    bounded(File::open(path)?, most)
}

/// The same as text.
pub(crate) fn read(path: &Path, most: u64) -> Result<String> {
    as_text(read_bytes(path, most)?)
}

/// A manifest from a file, or from standard input if the path is `-`.
pub(crate) fn read_manifest(path: &Path) -> Result<String> {
    match path == Path::new("-") {
        true => as_text(bounded(std::io::stdin().lock(), MANIFEST_MAX)?),
        false => read(path, MANIFEST_MAX),
    }
}

fn bounded(from: impl Read, most: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

fn as_text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let refused = read(Path::new("/dev/zero"), 1000).unwrap_err();
        assert_eq!(refused.to_string(), "it is longer than 1000 bytes");
        let exact = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(exact.path(), "x".repeat(1000)).unwrap();
        assert_eq!(read(exact.path(), 1000).unwrap().len(), 1000);
        assert!(read(exact.path(), 999).is_err());
        std::fs::write(exact.path(), b"\xff").unwrap();
        assert_eq!(read(exact.path(), 9).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
