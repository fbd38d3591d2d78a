//! Making the root, in namespaces of its own: as the range's root, so that neither mmdebstrap nor a package's script
//! has any power over this machine; with a process namespace, so that nothing of it outlives us; on a tmpfs where
//! there is room, which is more than twice as fast and goes with the namespace.

use super::{BootstrapOrder, PROGRAM};
use crate::image::ImageError;
use crate::image::worker::Draft;
use crate::sandbox::{Doing as _, SandboxError, range};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Bytes that a root and the packages for it take at most.
const ROOM: u64 = 3 << 30;
/// Where it is made. The machine's own is out of sight there.
const WORK: &str = "/tmp";
/// mmdebstrap and the programs that it starts.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes what was ordered into its file. The process must have one thread.
pub(in crate::image) fn make(order: &BootstrapOrder, roots: &Path) -> Result<(), ImageError> {
    match run(order, roots)? {
        0 => Ok(()),
        _ => Err(ImageError::Bootstrap(format!("{PROGRAM} failed"))),
    }
}

/// How the process inside ended.
fn run(order: &BootstrapOrder, roots: &Path) -> Result<i32, SandboxError> {
    let tar = File::options()
        .write(true)
        .truncate(true)
        .open(&order.tar)
        .doing(format_args!("open {}", order.tar.display()))?;
    range::enter()?;
    // Nobody waits for it any more then. After the change of ids, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the process to its parent")?;
    let memory = available_memory();
    let draft = if memory / 2 >= ROOM { None } else { Some(Draft::begin(roots)?) };
    let (wait, mut go) = io::pipe().doing("make a pipe")?;
    let flags =
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::SIGCHLD;
    // SAFETY: a fork with namespaces; this process has one thread, so the child may run ordinary code.
    let child = match unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) } {
        -1 => return Err(io::Error::last_os_error()).doing("clone into new namespaces"),
        0 => {
            drop(go);
            let folder = draft.as_ref().map(Draft::folder);
            let ended = inside(order, &tar, wait, folder);
            if let Err(error) = &ended {
                let _ = writeln!(io::stderr(), "E: {error}");
            }
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(ended.is_err())) }
        }
        child => libc::pid_t::try_from(child).unwrap_or(-1),
    };
    drop(wait);
    let map = format!("0 0 {}\n", range::COUNT);
    for file in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{child}/{file}"), &map).doing(format_args!("write {file}"))?;
    }
    go.write_all(b"!").doing("start the bootstrap")?;
    let mut status = 0;
    // SAFETY: waits for our own child; `status` outlives the call.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    Ok(status)
}

/// The first process in the new namespaces.
fn inside(
    order: &BootstrapOrder,
    tar: &File,
    mut wait: PipeReader,
    folder: Option<&Path>,
) -> Result<(), SandboxError> {
    wait.read_exact(&mut [0]).doing("wait for the id maps")?;
    // Before the change of ids: the range's root may not see the data folder.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).doing("make mounts private")?;
    match folder {
        Some(folder) => mount_bind(folder, WORK).doing("mount the working folder")?,
        None => {
            let options = CString::new(format!("mode=0755,uid=0,gid=0,size={ROOM}")).unwrap_or_default();
            let flags = MountFlags::empty();
            mount("tmpfs", WORK, "tmpfs", flags, options.as_c_str()).doing("mount a tmpfs")?;
        }
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).doing("mount /proc")?;
    range::become_root()?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the process to its parent")?;
    let output = tar.try_clone().doing("share the tar")?;
    let mut child = command(order).stdout(output).spawn().doing(format_args!("start {PROGRAM}"))?;
    let status = child.wait().doing(format_args!("wait for {PROGRAM}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(SandboxError::Refused(format!("{PROGRAM} ended with {status}"))),
    }
}

fn command(order: &BootstrapOrder) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--mode=root", "--format=tar", "--variant=minbase"]);
    if !order.packages.is_empty() {
        command.arg(format!("--include={}", order.packages.join(",")));
    }
    // What a power failure spoils is made anew; images are smaller without documents.
    for option in [
        "force-unsafe-io",
        "path-exclude=/usr/share/man/*",
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
    ] {
        command.arg(format!("--dpkgopt={option}"));
    }
    command.arg("--aptopt=APT::Install-Recommends \"false\"");
    command.args(order.settings.iter().map(|setting| format!("--aptopt={setting}")));
    command.args([order.suite.as_str(), "-"]).args(&order.sources);
    command.env_clear().envs(order.proxies.iter().map(|(name, value)| (name, value)));
    command.envs([("PATH", PATH), ("HOME", WORK), ("TMPDIR", WORK), ("LC_ALL", "C.UTF-8")]);
    if let Some(changed) = order.changed {
        command.env("SOURCE_DATE_EPOCH", changed.to_string());
    }
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Bytes of memory that could be used at once.
fn available_memory() -> u64 {
    let text = std::fs::read_to_string(PathBuf::from("/proc/meminfo")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    let kilobytes = line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0);
    kilobytes.saturating_mul(1024)
}
