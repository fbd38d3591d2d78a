//! Sudo for the build account, whatever the image brings.

use super::super::{BUILD, Doing, SandboxError};
use super::file;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Stands in where the image has none: see the crate's folder `sudo`.
const STAND_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sudo"));
/// First in the search path, so that it also hides one that cannot work (an image whose files
/// belong to nobody).
const PLACE: &str = "/usr/local/bin/sudo";
const SETUID: u32 = 0o4000;

/// Lets the build account do anything without a password.
pub(super) fn set_up() -> Result<(), SandboxError> {
    // Also where sudo is missing: a step may install it.
    fs::create_dir_all("/etc/sudoers.d").doing("create /etc/sudoers.d")?;
    let rule = format!("{BUILD} ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults:{BUILD} !use_pty\n");
    let place = format!("/etc/sudoers.d/{BUILD}");
    let _ = fs::remove_file(&place);
    file::write(&place, rule.as_bytes())?;
    fs::set_permissions(&place, PermissionsExt::from_mode(0o440)).doing(format_args!("chmod {place}"))?;
    if works() { include_rules() } else { place_stand_in() }
}

/// Makes the image's own sudo read our rule.
fn include_rules() -> Result<(), SandboxError> {
    const INCLUDE: &str = "includedir /etc/sudoers.d";
    let path = "/etc/sudoers";
    let rules = file::read(path)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let mut rules = rules.unwrap_or_else(|| "root ALL=(ALL:ALL) ALL\n".into());
    // Both `#` and `@` may stand before it; `##` is a comment.
    if rules.lines().any(|line| line.get(1..).is_some_and(|rest| rest.trim_end() == INCLUDE)) {
        return Ok(());
    }
    rules += &format!("\n@{INCLUDE}\n");
    let _ = fs::remove_file(path);
    file::write(path, rules.as_bytes())?;
    fs::set_permissions(path, PermissionsExt::from_mode(0o440)).doing(format_args!("chmod {path}"))
}

/// Whether the image has a sudo that the kernel will make root.
fn works() -> bool {
    ["/usr/bin/sudo", "/bin/sudo", "/usr/sbin/sudo", "/usr/local/bin/sudo"]
        .iter()
        .any(|path| fs::metadata(path).is_ok_and(|m| m.is_file() && m.uid() == 0 && m.mode() & SETUID != 0))
}

fn place_stand_in() -> Result<(), SandboxError> {
    fs::create_dir_all("/usr/local/bin").doing("create /usr/local/bin")?;
    let _ = fs::remove_file(PLACE);
    fs::write(PLACE, STAND_IN).doing(format_args!("write {PLACE}"))?;
    let mode = PermissionsExt::from_mode(SETUID | 0o755);
    fs::set_permissions(PLACE, mode).doing(format_args!("make {PLACE} setuid"))
}
