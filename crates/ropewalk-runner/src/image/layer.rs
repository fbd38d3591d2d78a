//! Applying one layer's tar to the root of this process (which is the new image: see
//! [`super::unpack`]), with whiteouts.

use super::unpack::Budget;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use tar::EntryType;

/// Prefix of a file that removes its namesake of lower layers.
const WHITEOUT: &[u8] = b".wh.";
/// Name of a file that hides all that lower layers put into its folder.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Where GNU tar and libarchive keep extended attributes.
const PAX_CAPABILITY: &str = "SCHILY.xattr.security.capability";

/// Applies a layer below `root`. Whiteouts act on what was there before the layer only, wherever
/// in the tar they stand (OCI image specification, layer.md).
pub(super) fn apply(root: &Path, tar: impl Read, budget: &mut Budget) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_preserve_mtime(true);
    let mut placed = HashSet::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside(&entry.path()?)?;
        budget.spend(entry.size().max(entry.header().entry_size()?))?;
        let Some(name) = path.file_name() else {
            continue; // the root itself
        };
        let target = settle(root, &path)?;
        match name.as_bytes() {
            OPAQUE => hide_lower(target.parent().unwrap_or(root), &placed)?,
            hidden if hidden.starts_with(WHITEOUT) => {
                let name = OsStr::from_bytes(hidden.get(WHITEOUT.len()..).unwrap_or_default());
                let lower = target.with_file_name(name);
                if !name.is_empty() && !placed.contains(&lower) {
                    remove(&lower)?;
                }
            }
            _ => {
                let kind = entry.header().entry_type();
                // Device nodes are of no use in a sandbox, and a FIFO in place of a file stops
                // whoever opens it.
                if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) {
                    continue;
                }
                make_room(&target, kind)?;
                place(root, &mut entry)?;
                placed.insert(target);
            }
        }
    }
    Ok(())
}

/// The path without `.` and a leading `/`.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir | Component::RootDir => {}
            _ => return Err(refused(format!("the path {} leads out of it", path.display()))),
        }
    }
    Ok(clean)
}

/// Where a path leads when links on the way (not the last part) are followed.
fn settle(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let parent = root.join(path.parent().unwrap_or(Path::new("")));
    let parent = match parent.canonicalize() {
        Ok(parent) => parent,
        Err(e) if e.kind() == io::ErrorKind::NotFound => parent,
        Err(e) => return Err(e),
    };
    Ok(parent.join(path.file_name().unwrap_or_default()))
}

/// What is in the way goes, except a folder where a folder comes.
fn make_room(target: &Path, kind: EntryType) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        Ok(old) if old.is_dir() && kind.is_dir() => Ok(()),
        Ok(_) => remove(target),
        Err(_) => Ok(()),
    }
}

fn place(root: &Path, entry: &mut tar::Entry<'_, impl Read>) -> io::Result<()> {
    let capability = capability(entry)?;
    let path = entry.path()?.into_owned();
    if !entry.unpack_in(root)? {
        return Err(refused(format!("the path {} leads out of it", path.display())));
    }
    if let Some(value) = capability {
        let target = root.join(inside(&path)?);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::lsetxattr(target, "security.capability", &value, flags)?;
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

/// Removes all of a folder's contents that this layer did not place.
fn hide_lower(folder: &Path, placed: &HashSet<PathBuf>) -> io::Result<()> {
    let Ok(list) = fs::read_dir(folder) else { return Ok(()) };
    for entry in list {
        let path = entry?.path();
        if !placed.contains(&path) {
            remove(&path)?;
        } else if path.symlink_metadata()?.is_dir() {
            hide_lower(&path, placed)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => crate::tree::remove(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
