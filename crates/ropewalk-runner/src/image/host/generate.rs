//! Generating what the `host` image has beside `/usr`. Done by the range's root with no rights over
//! anybody's files: what the world may not read does not get in.

use super::{Usr, etc};
use crate::image::unpack::Unpacked;
use crate::sandbox::{Doing as _, SandboxError, range};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Largest file that is copied from `/etc`.
const MAX_FILE: u64 = 16 << 20;
/// How deep below `/usr` folders can take new files where `/usr` is not idmapped.
const SKELETON_DEPTH: usize = 2;
const FOLDERS: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
    ("var/backups", 0o755),
    ("var/cache", 0o755),
    ("var/cache/apt/archives/partial", 0o700),
    ("var/cache/debconf", 0o755),
    ("var/lib", 0o755),
    ("var/lib/apt/lists/partial", 0o700),
    ("var/lib/misc", 0o755),
    ("var/local", 0o755),
    ("var/log/apt", 0o755),
    ("var/mail", 0o755),
    ("var/opt", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];
/// Records of what is installed.
const RECORDS: &[&str] =
    &["var/lib/dpkg", "var/lib/ucf", "var/lib/pam", "var/lib/pacman/local", "var/lib/apt/extended_states"];

/// Fills the current range's `folder`. The process has entered the range.
pub(in crate::image) fn generate(folder: &Path, usr: Usr) -> Result<Unpacked, SandboxError> {
    std::env::set_current_dir(folder).doing(format_args!("enter {}", folder.display()))?;
    range::become_root()?;
    without_rights_over_files()?;
    rustix::process::umask(rustix::fs::Mode::from(0o022));
    for (path, mode) in FOLDERS {
        fs::create_dir_all(path)
            .and_then(|()| fs::set_permissions(path, PermissionsExt::from_mode(*mode)))
            .doing(format_args!("create {path}"))?;
    }
    link_into_usr()?;
    for (target, name) in [("/run", "var/run"), ("/run/lock", "var/lock")] {
        symlink(target, name).doing(format_args!("link {name}"))?;
    }
    for name in etc::COPIED {
        copy(&Path::new("/etc").join(name), &Path::new("etc").join(name), &|path| {
            etc::stays_out(path.strip_prefix("etc").unwrap_or(path).to_str().unwrap_or_default())
        })?;
    }
    for record in RECORDS {
        copy(&Path::new("/").join(record), Path::new(record), &|_| false)?;
    }
    accounts()?;
    if usr == Usr::Plain {
        skeleton(Path::new("/usr"), Path::new("usr"), 0)?;
    }
    Ok(Unpacked { digest: super::fingerprint(usr), bytes: 0 })
}

/// In the outer namespace root may override the permissions of its own account's files too, and an
/// agent's account may be the machine's root.
fn without_rights_over_files() -> Result<(), SandboxError> {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None).doing("ask for capabilities")?;
    let rights = CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    sets.effective -= rights;
    sets.permitted -= rights;
    sets.inheritable -= rights;
    set_capabilities(None, sets).doing("drop rights over files")
}

/// `/bin` and its like are links into `/usr` on every current system.
fn link_into_usr() -> Result<(), SandboxError> {
    for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = Path::new("/").join(name);
        let Ok(target) = fs::read_link(&path) else {
            if path.exists() {
                let why = format!("/{name} is no link into /usr: the image `host` needs a merged /usr");
                return Err(SandboxError::Refused(why));
            }
            continue;
        };
        symlink(&target, name).doing(format_args!("link {name}"))?;
    }
    Ok(())
}

/// Copies what may be read: files, folders and links. What stays out is passed over in silence.
fn copy(from: &Path, to: &Path, stays_out: &dyn Fn(&Path) -> bool) -> Result<(), SandboxError> {
    let Ok(meta) = fs::symlink_metadata(from) else { return Ok(()) };
    if stays_out(to) {
        return Ok(());
    }
    if meta.is_symlink() {
        let target = fs::read_link(from).doing(format_args!("read {}", from.display()))?;
        return symlink(target, to).doing(format_args!("link {}", to.display()));
    }
    if meta.is_dir() {
        let Ok(listed) = fs::read_dir(from) else { return Ok(()) };
        fs::create_dir_all(to).doing(format_args!("create {}", to.display()))?;
        for entry in listed.flatten() {
            copy(&entry.path(), &to.join(entry.file_name()), stays_out)?;
        }
        return Ok(());
    }
    if !meta.is_file() || meta.len() > MAX_FILE && to.starts_with("etc") {
        return Ok(());
    }
    let bytes = match fs::read(from) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
        read => read.doing(format_args!("read {}", from.display()))?,
    };
    if to.starts_with("etc") && etc::has_secret(&bytes) {
        return Ok(());
    }
    let mode = meta.permissions().mode() & 0o755;
    fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))
        .and_then(|()| fs::write(to, bytes))
        .and_then(|()| fs::set_permissions(to, PermissionsExt::from_mode(mode)))
        .doing(format_args!("write {}", to.display()))
}

fn accounts() -> Result<(), SandboxError> {
    let read = |path: &str| fs::read_to_string(path).doing(format_args!("read {path}"));
    let passwd = etc::system_accounts(&read("/etc/passwd")?, false);
    let group = etc::system_accounts(&read("/etc/group")?, true);
    let shadow = etc::locked(&passwd);
    for (name, text, mode) in
        [("passwd", &passwd, 0o644), ("group", &group, 0o644), ("shadow", &shadow, 0o640)]
    {
        let path = format!("etc/{name}");
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, PermissionsExt::from_mode(mode)))
            .doing(format_args!("write {path}"))?;
    }
    Ok(())
}

/// The main folders of `/usr`, as the range's own, so that files can be added to them.
fn skeleton(from: &Path, to: &Path, depth: usize) -> Result<(), SandboxError> {
    fs::create_dir_all(to).doing(format_args!("create {}", to.display()))?;
    let everything = to.starts_with("usr/local");
    if depth >= SKELETON_DEPTH && !everything {
        return Ok(());
    }
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            skeleton(&entry.path(), &to.join(entry.file_name()), depth + 1)?;
        }
    }
    Ok(())
}
