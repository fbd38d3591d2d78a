//! The build account, and the host name, in the sandbox's own layer.

use super::super::{BUILD, BUILD_ID, Doing, HOME, Network, SandboxError, Spec};
use super::{file, sudo};
use std::fs;
use std::os::unix::fs::chown;

pub(super) fn set_up(spec: &Spec) -> Result<(), SandboxError> {
    add("/etc/passwd", &format!("{BUILD}:x:{BUILD_ID}:{BUILD_ID}:{BUILD}:{HOME}:/bin/sh"))?;
    add("/etc/group", &format!("{BUILD}:x:{BUILD_ID}:"))?;
    if file::read("/etc/shadow")?.is_some() {
        add("/etc/shadow", &format!("{BUILD}:*:19000:0:99999:7:::"))?;
    }
    fs::create_dir_all(HOME).doing(format_args!("create {HOME}"))?;
    chown(HOME, Some(BUILD_ID), Some(BUILD_ID)).doing(format_args!("chown {HOME}"))?;
    sudo::set_up()?;
    name_host(&spec.hostname)?;
    if spec.network == Network::Host { Ok(()) } else { loopback_up() }
}

/// Adds an account's line unless it is there.
fn add(path: &str, line: &str) -> Result<(), SandboxError> {
    let old = file::read(path)?.unwrap_or_default();
    let new = with_line(&old, line);
    if new == old { Ok(()) } else { file::write(path, &new) }
}

/// The file with the line, and without another of the same name. It comes right after root's:
/// where the image has an account of the same number, the first one gives it its name.
fn with_line(old: &[u8], line: &str) -> Vec<u8> {
    let name = |line: &[u8]| line.split(|b| *b == b':').next().unwrap_or_default().to_vec();
    let ours = name(line.as_bytes());
    let mut lines: Vec<&[u8]> = old.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
    if lines.contains(&line.as_bytes()) {
        return old.to_vec();
    }
    lines.retain(|line| name(line) != ours);
    let place = lines.iter().position(|line| name(line) == b"root").map_or(0, |at| at + 1);
    lines.insert(place, line.as_bytes());
    let mut new = lines.join(b"\n".as_slice());
    new.push(b'\n');
    new
}

/// Sets the host name and makes it resolve.
pub(super) fn name_host(name: &str) -> Result<(), SandboxError> {
    rustix::system::sethostname(name.as_bytes()).doing("set the host name")?;
    append("/etc/hosts", &format!("127.0.0.1 localhost {name}"))
}

fn append(path: &str, line: &str) -> Result<(), SandboxError> {
    let mut text = file::read(path)?.unwrap_or_default().trim_ascii_end().to_vec();
    if !text.is_empty() {
        text.push(b'\n');
    }
    text.extend(line.bytes().chain([b'\n']));
    file::write(path, &text)
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

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD_LINE: &str = "build:x:1000:1000:build:/home/build:/bin/sh";

    fn text(old: &str) -> String {
        String::from_utf8(with_line(old.as_bytes(), BUILD_LINE)).unwrap()
    }

    #[test]
    fn the_build_account_comes_before_another_of_its_number() {
        let ubuntu = "root:x:0:0:::\nbin:x:2:2:::\nubuntu:x:1000:1000:::";
        let expected = format!("root:x:0:0:::\n{BUILD_LINE}\nbin:x:2:2:::\nubuntu:x:1000:1000:::\n");
        assert_eq!(text(ubuntu), expected);
    }

    #[test]
    fn another_account_of_its_name_is_replaced() {
        assert_eq!(text("root:x:0:0:::\nbuild:x:77:77:::\n"), format!("root:x:0:0:::\n{BUILD_LINE}\n"));
        assert_eq!(text(""), format!("{BUILD_LINE}\n"));
    }

    #[test]
    fn a_file_that_has_it_stays_as_it_is() {
        let old = format!("x:x:1:1:::\n{BUILD_LINE}");
        assert_eq!(text(&old), old);
    }
}
