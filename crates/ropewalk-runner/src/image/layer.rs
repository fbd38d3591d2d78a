//! Applying one layer's tar to the root of this process (which is the new image: see
//! [`super::unpack`]), with whiteouts.

use super::place::{Here, Placed, inside};
use super::unpack::Budget;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tar::EntryType;

/// Prefix of a file that removes its namesake of lower layers.
const WHITEOUT: &[u8] = b".wh.";
/// Name of a file that hides all that lower layers put into its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Where GNU tar and libarchive keep extended attributes.
const PAX_CAPABILITY: &str = "SCHILY.xattr.security.capability";

/// Applies a layer. Whiteouts act on what was there before the layer only, wherever in the tar they stand (OCI image
/// specification, layer.md). The process's working folder changes.
pub(super) fn apply(tar: impl Read, budget: &mut Budget) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_preserve_mtime(true);
    let mut here = Here::root()?;
    let (mut placed, mut hidden) = (Placed::new(), HashSet::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside(&entry.path()?)?;
        budget.spend(entry.size().max(entry.header().entry_size()?))?;
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else {
            continue; // the root itself
        };
        let explain = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        here.go(parent).map_err(explain)?;
        match name.as_bytes() {
            OPAQUE => here.hide_lower(&placed, &mut hidden).map_err(explain)?,
            marker if marker.starts_with(WHITEOUT) => {
                let name = OsStr::from_bytes(marker.get(WHITEOUT.len()..).unwrap_or_default());
                let is_name = !["", ".", ".."].map(OsStr::new).contains(&name);
                if is_name && !placed.contains(&(here.file(), name.into())) {
                    here.remove(name).map_err(explain)?;
                }
            }
            _ => {
                let kind = entry.header().entry_type();
                // Device nodes are of no use in a sandbox, and a FIFO in place of a file stops
                // whoever opens it.
                if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) {
                    continue;
                }
                make_room(&mut here, name, kind).map_err(explain)?;
                place(Path::new(name), &mut entry).map_err(explain)?;
                placed.insert((here.file(), name.into()));
            }
        }
    }
    Ok(())
}

/// What is in the way goes, except a folder where a folder comes.
fn make_room(here: &mut Here, name: &OsStr, kind: EntryType) -> io::Result<()> {
    match fs::symlink_metadata(name) {
        Ok(old) if old.is_dir() && kind.is_dir() => Ok(()),
        Ok(_) => here.remove(name),
        Err(_) => Ok(()),
    }
}

/// Puts an entry into the folder that the process is in.
fn place(name: &Path, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
    if entry.header().entry_type() == EntryType::Link {
        let link = entry.link_name()?.ok_or_else(|| refused("a hard link to nothing".into()))?;
        return fs::hard_link(Path::new("/").join(inside(&link)?), name);
    }
    let capability = capability(entry)?;
    entry.unpack(name)?;
    if let Some(value) = capability {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(name, "security.capability", &value, flags)?;
    }
    Ok(())
}

fn capability(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Option<Vec<u8>>> {
    if entry.header().entry_type() != EntryType::Regular {
        return Ok(None);
    }
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if extension.key().is_ok_and(|key| key == PAX_CAPABILITY) {
            return Ok(Some(extension.value_bytes().to_vec()));
        }
    }
    Ok(None)
}

pub(super) fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
