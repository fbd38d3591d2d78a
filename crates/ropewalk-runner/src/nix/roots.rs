//! What keeps store paths from being collected: an empty file for each, named after it, which is one of the forms that
//! Nix knows. All are links to one file, because an evaluation may need many thousands and files are slow to make.

use super::Tools;
use std::collections::BTreeSet;
use std::fs::{File, create_dir_all, hard_link, read_dir, remove_file, rename};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that they are links to. It is named after no path. Each sweep puts it away, so that the time of a link's
/// file says since when it is kept, but for the time between two sweeps.
const FIRST: &str = ".root";
/// What a sweep is about to remove, with the number of its process.
const GOING: &str = ".going";
/// What is kept again is as young as what is kept for the first time, but for this long.
const YOUNG: Duration = Duration::from_secs(3600);

/// A path cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep {path} from being collected by a file in {folder}: {source}")]
pub struct RootsError {
    path: String,
    folder: PathBuf,
    source: io::Error,
}

/// Keeps these store paths, also those that are not valid yet.
///
/// # Errors
/// When a file cannot be made.
pub fn add<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a String>) -> Result<(), RootsError> {
    let folder = tools.roots();
    let mut begun = create_dir_all(&folder);
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        let made = std::mem::replace(&mut begun, Ok(())).and_then(|()| make(&folder, name));
        made.map_err(|source| RootsError { path: path.clone(), folder: folder.clone(), source })?;
    }
    Ok(())
}

fn make(folder: &Path, name: &str) -> io::Result<()> {
    let (first, file) = (folder.join(FIRST), folder.join(name));
    let made = match hard_link(&first, &file) {
        Err(error) if error.raw_os_error() == Some(libc::EMLINK) => {
            remove_file(&first)?;
            Err(ErrorKind::NotFound.into())
        }
        other => other,
    };
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => renew(folder, name),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            File::create(&first)?;
            // A file system may have no links.
            hard_link(&first, &file).or_else(|_| File::create(&file).map(drop))
        }
        Err(_) => File::create(&file).map(drop),
    }
}

/// A sweep that was about to remove it leaves it alone.
fn renew(folder: &Path, name: &str) -> io::Result<()> {
    let (first, file, other) = (folder.join(FIRST), folder.join(name), folder.join(format!(".{name}")));
    if !is_older(&file, YOUNG) {
        return Ok(());
    }
    if is_older(&first, YOUNG) {
        remove_file(&first)?;
        File::create(&first)?;
    }
    hard_link(&first, &other).or_else(|_| File::create(&other).map(drop))?;
    rename(&other, &file)
}

fn is_older(file: &Path, age: Duration) -> bool {
    let modified = file.symlink_metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > age))
}

/// Keeps these store paths no longer. What was not kept is passed over.
pub fn remove<'a>(tools: &Tools, paths: impl IntoIterator<Item = &'a String>) {
    for path in paths {
        let name = path.rsplit('/').next().unwrap_or_default();
        let _ = remove_file(tools.roots().join(name));
    }
}

/// Keeps those of these store paths that are there, and no others that were kept longer ago than `grace`: what is young
/// may be about to be asked for. Answers how many are kept no longer.
///
/// # Errors
/// When a file cannot be made.
pub fn sweep(tools: &Tools, wanted: &BTreeSet<String>, grace: Duration) -> Result<usize, RootsError> {
    let folder = tools.roots();
    let _ = remove_file(folder.join(FIRST));
    let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = wanted.iter().map(name).collect();
    let is_missing = |path: &&String| {
        folder.join(name(path)).symlink_metadata().is_err() && Path::new(path).symlink_metadata().is_ok()
    };
    add(tools, wanted.iter().filter(is_missing))?;
    let mut removed = 0;
    for entry in read_dir(&folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_wanted = name.to_str().is_some_and(|name| name == FIRST || names.contains(name));
        if !is_wanted && is_older(&entry.path(), grace) && take_away(&folder, &entry.path(), grace) {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes an old root. One that somebody renews at this moment stays: its age is looked at when nobody can any more.
fn take_away(folder: &Path, file: &Path, grace: Duration) -> bool {
    let gone = folder.join(format!("{GOING}-{}", std::process::id()));
    if rename(file, &gone).is_err() {
        return false;
    }
    if is_older(&gone, grace) {
        return remove_file(&gone).is_ok();
    }
    let _ = rename(&gone, file);
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nix::{Settings, Store, programs};
    use std::fs::FileTimes;
    use std::time::SystemTime;

    #[test]
    fn hydra_63_a_sweep_keeps_what_is_wanted_and_what_is_young() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("nix");
        let settings =
            Settings { programs: programs().unwrap(), store: Store::Private(root), local_inputs: vec![] };
        let tools = Tools::open(&settings).unwrap();
        let path = |name: &str| tools.store.join(name).to_str().unwrap().to_owned();
        let there = || {
            let entries = read_dir(tools.roots()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
            names.retain(|name| name != FIRST);
            names.sort();
            names
        };
        std::fs::write(path("d-new"), "").unwrap();
        add(&tools, [&path("a-old"), &path("b-kept"), &path("c-young")]).unwrap();
        let wanted = BTreeSet::from([path("b-kept"), path("d-new"), path("e-gone")]);
        let grace = Duration::from_secs(24 * 3600);
        assert_eq!(sweep(&tools, &wanted, grace).unwrap(), 0);
        assert_eq!(there(), ["a-old", "b-kept", "c-young", "d-new"]);
        for name in there() {
            let file = File::options().append(true).open(tools.roots().join(name)).unwrap();
            file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH)).unwrap();
        }
        add(&tools, [&path("c-young")]).unwrap();
        assert_eq!(sweep(&tools, &wanted, grace).unwrap(), 1);
        assert_eq!(there(), ["b-kept", "c-young", "d-new"]);
    }
}
