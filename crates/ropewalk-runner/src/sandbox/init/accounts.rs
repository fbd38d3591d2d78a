//! The build account, its passwordless sudo and the host name, in the sandbox's own layer.

use super::super::{BUILD, BUILD_ID, Doing, HOME, Network, SandboxError, Spec};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

pub(super) fn set_up(spec: &Spec) -> Result<(), SandboxError> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if !passwd.lines().any(|l| l.starts_with(&format!("{BUILD}:x:{BUILD_ID}:"))) {
        let account = format!("{BUILD}:x:{BUILD_ID}:{BUILD_ID}:{BUILD}:{HOME}:/bin/sh");
        append("/etc/passwd", &account)?;
        append("/etc/group", &format!("{BUILD}:x:{BUILD_ID}:"))?;
        if Path::new("/etc/shadow").exists() {
            append("/etc/shadow", &format!("{BUILD}:*:19000:0:99999:7:::"))?;
        }
    }
    fs::create_dir_all(HOME).doing(format_args!("create {HOME}"))?;
    chown(HOME, Some(BUILD_ID), Some(BUILD_ID)).doing(format_args!("chown {HOME}"))?;
    // Also where sudo is missing: a step may install it.
    fs::create_dir_all("/etc/sudoers.d").doing("create /etc/sudoers.d")?;
    let rule = format!("{BUILD} ALL=(ALL:ALL) NOPASSWD: ALL\nDefaults:{BUILD} !use_pty\n");
    fs::write("/etc/sudoers.d/build", rule).doing("write /etc/sudoers.d/build")?;
    fs::set_permissions("/etc/sudoers.d/build", PermissionsExt::from_mode(0o440))
        .doing("chmod /etc/sudoers.d/build")?;
    name_host(&spec.hostname)?;
    if spec.network == Network::Host { Ok(()) } else { loopback_up() }
}

/// Sets the host name and makes it resolve.
pub(super) fn name_host(name: &str) -> Result<(), SandboxError> {
    rustix::system::sethostname(name.as_bytes()).doing("set the host name")?;
    append("/etc/hosts", &format!("127.0.0.1 localhost {name}"))
}

fn append(path: &str, line: &str) -> Result<(), SandboxError> {
    let old = fs::read_to_string(path).unwrap_or_default();
    let (old, gap) = (old.trim_end(), if old.is_empty() { "" } else { "\n" });
    fs::write(path, format!("{old}{gap}{line}\n")).doing(format_args!("write {path}"))
}

fn loopback_up() -> Result<(), SandboxError> {
    // SAFETY: an interface request is plain data and zero is valid for all of it; it outlives the
    // call, and the socket is closed again.
    let result = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = from.cast_signed();
        }
        #[allow(clippy::cast_possible_truncation, reason = "a small flag")]
        {
            request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        }
        let result = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request);
        let error = std::io::Error::last_os_error();
        libc::close(socket);
        if result == 0 { Ok(()) } else { Err(error) }
    };
    result.doing("bring up the loopback interface")
}
