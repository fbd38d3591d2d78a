//! Unpacking inside the id range: by a process that is the range's root, sees nothing but the new
//! image's folder, and has lost what it does not need. Whatever a hostile archive says, it can
//! only make files of the range in that folder, and not more of them than [`Limits`] allow.

use super::archive::{Part, Parts};
use super::oci::{self, Recipe};
use super::{compression, layer};
use crate::sandbox::{Doing as _, SandboxError, range};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// Address space of the unpacking process: headers and dictionaries of archives are kept in memory.
const MEMORY: u64 = 2 << 30;

/// What one image may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of all files of all layers together.
    pub bytes: u64,
    /// Entries of all layers together.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 32 << 30, entries: 4_000_000 }
    }
}

/// What of the limits is left.
pub(super) struct Budget {
    limits: Limits,
    left: Limits,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Budget {
        Budget { limits, left: limits }
    }

    /// One entry of this size.
    pub(super) fn spend(&mut self, bytes: u64) -> io::Result<()> {
        let too_large = |what: String| io::Error::new(io::ErrorKind::FileTooLarge, what);
        self.left.bytes = self.left.bytes.checked_sub(bytes).ok_or_else(|| {
            too_large(format!("it unpacks to more than {} bytes (limits.image)", self.limits.bytes))
        })?;
        self.left.entries = self.left.entries.checked_sub(1).ok_or_else(|| {
            too_large(format!("it has more than {} entries (limits.image-files)", self.limits.entries))
        })?;
        Ok(())
    }

    /// Bytes that went in.
    pub(super) fn spent(&self) -> u64 {
        self.limits.bytes - self.left.bytes
    }
}

/// What was unpacked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Unpacked {
    pub(super) digest: String,
    pub(super) bytes: u64,
}

/// Unpacks into `folder`, which belongs to the range's root. The process must have entered the
/// range and cannot be used for anything else after this.
pub(super) fn unpack(
    parts: &Parts,
    recipe: Option<&Recipe>,
    folder: &Path,
    limits: Limits,
) -> Result<Unpacked, SandboxError> {
    // Opened before anything but the new folder is out of sight.
    let open = |name: &str| parts.part(name).doing(format_args!("open {name}"));
    let mut budget = Budget::new(limits);
    let digest = match recipe {
        Some(recipe) => {
            let layers = recipe.layers.iter().map(|layer| Ok((layer, open(&layer.part)?)));
            let layers = layers.collect::<Result<Vec<_>, SandboxError>>()?;
            confine(folder)?;
            for (layer, part) in layers {
                apply_layer(layer, part, &mut budget)?;
            }
            recipe.digest.clone()
        }
        None => {
            let whole = parts.whole().doing("open the archive")?;
            confine(folder)?;
            apply_root(whole, &mut budget).doing("unpack")?
        }
    };
    Ok(Unpacked { digest, bytes: budget.spent() })
}

/// Becomes the range's root with `folder` as the only thing in sight.
fn confine(folder: &Path) -> Result<(), SandboxError> {
    std::env::set_current_dir(folder).doing(format_args!("enter {}", folder.display()))?;
    range::become_root()?;
    // After the change of id, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the unpacker to its parent")?;
    rustix::process::chroot(".").doing("change the root")?;
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    let limit = rustix::process::Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).doing("limit the memory")
}

fn apply_layer(layer: &oci::Layer, part: Part, budget: &mut Budget) -> Result<(), SandboxError> {
    let apply = || -> io::Result<String> {
        let plain = compression::plain(part)?;
        let mut hashed = Hashed { from: plain, hash: Sha256::new() };
        layer::apply(&mut hashed, budget)?;
        hashed.finish(budget)
    };
    let digest = apply().doing(format_args!("unpack layer {}", layer.part))?;
    if digest == layer.diff_id {
        return Ok(());
    }
    let why = format!("layer {} has the digest {digest} instead of {}", layer.part, layer.diff_id);
    Err(SandboxError::Refused(why))
}

/// A plain root; its digest is that of the tar.
fn apply_root(whole: Part, budget: &mut Budget) -> io::Result<String> {
    let mut hashed = Hashed { from: Box::new(whole), hash: Sha256::new() };
    layer::apply(&mut hashed, budget)?;
    hashed.finish(budget)
}

/// Hashes what goes through.
struct Hashed<'a> {
    from: Box<dyn Read + 'a>,
    hash: Sha256,
}

impl Hashed<'_> {
    /// The digest of everything, what follows the archive's end mark included.
    fn finish(mut self, budget: &mut Budget) -> io::Result<String> {
        let mut rest = [0; 8192];
        loop {
            let read = self.read(&mut rest)?;
            if read == 0 {
                return Ok(oci::hex(&self.hash.finalize()));
            }
            budget.spend(read as u64)?;
        }
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        self.hash.update(into.get(..read).unwrap_or_default());
        Ok(read)
    }
}
