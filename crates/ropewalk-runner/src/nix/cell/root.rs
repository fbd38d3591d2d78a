//! The root of a cell: an empty file system with what the spec names, where it is on the machine.

use super::Spec;
use super::init::Account;
use crate::sandbox::mountfd::{
    NODEV, NOSUID, RDONLY, STRICT, attach, attach_on, clone_tree, new_fs, set_attr,
};
use crate::sandbox::{Doing, SandboxError};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount_change, mount_remount, unmount};
use std::fs::{create_dir_all, read_link, symlink_metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The machine's programs and libraries. What is a link stays one.
const PROGRAMS: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What programs read of `/etc` to find their libraries.
const LIBRARIES: [&str; 3] = ["/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/alternatives"];
/// What they read of it to reach others.
const NETWORK: [&str; 6] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/ca-certificates", "/etc/pki"];
/// Devices, bound from the machine.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// One more, which builds of Nix's see.
const TERMINAL: &str = "/dev/tty";
/// Bytes of temporary files, as a part of the memory that a process may use.
const TEMPORARY_PART: u64 = 2;

/// What the machine has at a path.
enum Piece {
    Tree(OwnedFd),
    Link(PathBuf),
}

/// Replaces the root of this mount namespace, which must be a new one.
pub(super) fn change(spec: &Spec, account: Account) -> Result<(), SandboxError> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .doing("make mounts private")?;
    let mut pieces = vec![];
    let network: &[&str] = if spec.network { &NETWORK } else { &[] };
    let own = PROGRAMS.iter().chain(&LIBRARIES).chain(network).map(Path::new);
    for path in own.chain(spec.readable.iter().map(PathBuf::as_path)) {
        pieces.extend(readable(path)?.map(|piece| (path.to_owned(), piece)));
    }
    for beneath in &spec.beneath {
        let file = beneath.open().doing(format_args!("open {}", beneath.shown.display()))?;
        let tree = clone_tree(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        set_attr(&tree, RDONLY | NOSUID | NODEV)?;
        pieces.push((beneath.shown.clone(), Piece::Tree(tree)));
    }
    let builds = spec.builds && !account.is_root();
    for path in DEVICES.into_iter().chain(builds.then_some(TERMINAL)) {
        pieces.push((path.into(), Piece::Tree(clone_tree(path)?)));
    }
    for path in &spec.writable {
        let tree = clone_tree(path)?;
        set_attr(&tree, NOSUID | NODEV)?;
        pieces.push((path.clone(), Piece::Tree(tree)));
    }
    // The machine's own proc must still be in sight. Nothing in it may be written: to the kernel, root without rights
    // is still the owner of its settings.
    let proc = new_fs("proc", &[], if builds { STRICT } else { STRICT | RDONLY })?;
    let size = (spec.memory / TEMPORARY_PART).to_string();
    let temporary = new_fs("tmpfs", &[("mode", "1777"), ("size", &size)], NOSUID | NODEV)?;
    enter(&new_fs("tmpfs", &[("mode", "0755"), ("size", "64m")], NOSUID)?)?;
    place(&proc, Path::new("/proc"))?;
    place(&temporary, Path::new("/tmp"))?;
    // The shortest first: one may lie in another.
    pieces.sort_by_key(|(path, _)| path.components().count());
    for (path, piece) in pieces {
        match piece {
            Piece::Tree(tree) => place(&tree, &path)?,
            Piece::Link(target) => link(&target, &path)?,
        }
    }
    if builds {
        terminals()?;
    }
    accounts(account)?;
    for (path, bytes) in &spec.files {
        write(path, bytes)?;
    }
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, "")
        .doing("make the cell's root read-only")
}

fn readable(path: &Path) -> Result<Option<Piece>, SandboxError> {
    match symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() && is_relative_or_within(path) => {
            Ok(Some(Piece::Link(read_link(path).doing(format_args!("read the link {}", path.display()))?)))
        }
        Ok(_) => {
            let tree = clone_tree(path)?;
            set_attr(&tree, RDONLY | NOSUID | NODEV)?;
            Ok(Some(Piece::Tree(tree)))
        }
        Err(_) => Ok(None),
    }
}

/// Links of the machine's root into `/usr` stay links; one that leads elsewhere (resolv.conf) is followed now.
fn is_relative_or_within(path: &Path) -> bool {
    path.parent() == Some(Path::new("/"))
}

/// Makes the file system the root of this mount namespace.
fn enter(root: &OwnedFd) -> Result<(), SandboxError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let over = open("/tmp", flags, Mode::empty()).doing("open /tmp")?;
    attach_on(root, &over)?;
    rustix::process::fchdir(root).doing("enter the cell's root")?;
    rustix::process::pivot_root(".", ".").doing("change the root")?;
    unmount(".", UnmountFlags::DETACH).doing("leave the machine's root")?;
    rustix::process::chdir("/").doing("enter the cell's root")
}

fn place(tree: &OwnedFd, path: &Path) -> Result<(), SandboxError> {
    let is_folder = rustix::fs::fstat(tree)
        .doing(format_args!("look at {}", path.display()))
        .map(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)?;
    if is_folder {
        create_dir_all(path).doing(format_args!("create {}", path.display()))?;
    } else if !path.exists() {
        write(path, b"")?;
    }
    attach(tree, path)
}

fn link(target: &Path, path: &Path) -> Result<(), SandboxError> {
    symlink(target, path).doing(format_args!("link {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SandboxError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    create_dir_all(folder).doing(format_args!("create {}", folder.display()))?;
    std::fs::write(path, bytes).doing(format_args!("write {}", path.display()))
}

/// What Nix needs of `/dev` to talk to builds.
fn terminals() -> Result<(), SandboxError> {
    let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    let noexec = rustix::mount::MountAttrFlags::MOUNT_ATTR_NOEXEC;
    place(&new_fs("devpts", &options, NOSUID | noexec)?, Path::new("/dev/pts"))?;
    link(Path::new("pts/ptmx"), Path::new("/dev/ptmx"))?;
    link(Path::new("/proc/self/fd"), Path::new("/dev/fd"))?;
    place(&new_fs("tmpfs", &[("mode", "1777"), ("size", "64m")], NOSUID | NODEV)?, Path::new("/dev/shm"))
}

/// The account by a name, for programs that ask.
fn accounts(account: Account) -> Result<(), SandboxError> {
    let Account { user, group } = account;
    let passwd = format!(
        "nix:x:{user}:{group}:Nix:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    write(Path::new("/etc/passwd"), passwd.as_bytes())?;
    write(Path::new("/etc/group"), format!("nix:x:{group}:\nnogroup:x:65534:\n").as_bytes())
}
