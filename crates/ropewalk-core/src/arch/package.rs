//! Package archives as `makepkg` makes them: what is in one, without unpacking it. Their authors are strangers.

mod archive;
mod entry;
mod info;

pub use archive::{Compression, read};
pub(crate) use entry::{end_of_database, entries};
pub use info::Info;

/// A package as its archive describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// From `.PKGINFO`.
    pub info: Info,
    /// How the archive is compressed.
    pub compression: Compression,
    /// Paths in the archive's order, one a line; folders end in a slash. Without the files that describe the package.
    pub files: String,
}

impl Package {
    /// Name of its file in a repository.
    pub fn file_name(&self) -> String {
        let Info { name, version, arch, .. } = &self.info;
        format!("{name}-{version}-{arch}.pkg.tar{}", self.compression.suffix())
    }

    /// Name of its entry in a database.
    pub fn entry_name(&self) -> String {
        format!("{}-{}", self.info.name, self.info.version)
    }
}

/// Characters of a stranger's text that an error shows.
const SHOWN: usize = 120;

/// As much of a text as an answer can hold.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// What an archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackageLimits {
    /// Bytes, uncompressed.
    pub unpacked: u64,
    /// Files and folders.
    pub entries: u64,
    /// Bytes of all paths: what lists of files hold of it.
    pub paths: usize,
}

impl Default for PackageLimits {
    fn default() -> Self {
        PackageLimits { unpacked: 16 << 30, entries: 1_000_000, paths: 16 << 20 }
    }
}

/// Why something is not taken for a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Neither of the compressions, nor a tar archive.
    #[error("this is no package: it is neither a tar archive nor one compressed with zstd, xz or gzip")]
    Unknown,
    /// It ends too early, or its sums are wrong.
    #[error("the archive is broken: {0}")]
    Broken(String),
    /// A limit.
    #[error("the package is too large: {0}")]
    TooLarge(String),
    /// An entry that `makepkg` does not write.
    #[error("the archive holds {0}")]
    Forbidden(String),
    /// `.PKGINFO` says something that cannot be.
    #[error(".PKGINFO: {0}")]
    Info(String),
}
