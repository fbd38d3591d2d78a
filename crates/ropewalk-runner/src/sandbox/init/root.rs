//! The sandbox's root: everything that comes from the host is opened before the root changes, and
//! attached after, when no link in the image can lead a mount target out of it.

use super::super::mountfd::{NODEV, NOSUID, RDONLY, STRICT, attach, attach_on, clone_tree, new_fs, set_attr};
use super::super::weaken::{Guard, is_off};
use super::super::{Doing, Network, SandboxError, Spec, range};
use super::{devices, privileges};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, open, openat};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use std::fs::create_dir_all;
use std::path::{Path, PathBuf};

/// What is taken from the host, as descriptors.
pub(super) struct FromHost {
    image: OwnedFd,
    layer: OwnedFd,
    usr: Option<HostUsr>,
    pieces: Pieces,
}

/// The machine's `/usr`, for the image `host`.
struct HostUsr {
    /// Lower folders, the topmost first.
    lower: Vec<OwnedFd>,
    layer: OwnedFd,
    /// Its files are the range's own: root inside would read what only the host's root may.
    ours: bool,
}

/// No account of the range: what it may read, everybody may.
const ANYBODY: u32 = range::COUNT - 1;

/// Mounts that are attached once the new root is in place.
pub(super) struct Pieces {
    proc: OwnedFd,
    sys: Option<OwnedFd>,
    devices: devices::Devices,
    binds: Vec<(OwnedFd, PathBuf)>,
}

impl FromHost {
    /// Opens all of it. Runs with the caller's own id, which may read what the range may not.
    pub(super) fn open(spec: &Spec) -> Result<FromHost, SandboxError> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .doing("make mounts private")?;
        // Opened in this mount namespace: overlayfs takes layers of no other.
        let image = folder(spec.image.folder())?;
        let layer = folder(&spec.layer)?;
        let usr = match spec.image.rootfs().usr {
            Some(_) => Some(HostUsr::open(spec)?),
            None => None,
        };
        let mut binds = vec![];
        for bind in &spec.binds {
            let tree = clone_tree(&bind.source)?;
            set_attr(&tree, RDONLY | NOSUID | NODEV)?;
            binds.push((tree, bind.target.clone()));
        }
        if spec.network == Network::Host {
            let tree = clone_tree("/etc/resolv.conf")?;
            set_attr(&tree, RDONLY | STRICT)?;
            binds.push((tree, "/etc/resolv.conf".into()));
        }
        // The host's own proc must still be in sight for these two. Without a network namespace of
        // its own the sandbox gets no sysfs.
        let proc = new_fs("proc", &[], STRICT)?;
        let read_only = if is_off(Guard::Masks) { MountAttrFlags::empty() } else { RDONLY };
        let sys = new_fs("sysfs", &[], STRICT | read_only).ok();
        let devices = devices::Devices::open()?;
        Ok(FromHost { image, layer, usr, pieces: Pieces { proc, sys, devices, binds } })
    }
}

fn folder(path: &Path) -> Result<OwnedFd, SandboxError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(path, flags, Mode::empty()).doing(format_args!("open {}", path.display()))
}

impl HostUsr {
    fn open(spec: &Spec) -> Result<HostUsr, SandboxError> {
        let generated = folder(&spec.image.folder().join("usr"))?;
        let lower = match spec.image.idmapped_usr() {
            Some(tree) => {
                let tree = tree.try_clone().doing("copy the descriptor of /usr")?;
                // Overlayfs takes layers of this mount namespace only.
                attach_on(&tree, &generated)?;
                vec![tree]
            }
            None => {
                nothing_below_usr()?;
                vec![generated, folder(Path::new("/usr"))?]
            }
        };
        let ours = spec.image.idmapped_usr().is_some();
        Ok(HostUsr { lower, layer: folder(&spec.layer.join("usr"))?, ours })
    }

    /// Mounts it, to be written into.
    fn mount(self) -> Result<OwnedFd, SandboxError> {
        let HostUsr { mut lower, layer, ours } = self;
        if ours && !is_off(Guard::HostFiles) {
            lower = vec![readable_by_all(lower, &layer)?];
        }
        overlay(&lower, &layer)
    }
}

/// What is mounted below `/usr` came into this mount namespace from one of more rights, and the kernel keeps it where it
/// is: an overlay, which would show what lies below it, is refused (`has_locked_children`, with EINVAL and no word why).
fn nothing_below_usr() -> Result<(), SandboxError> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").doing("read the mounts")?;
    match below_usr(&mounts) {
        None => Ok(()),
        Some(place) => Err(SandboxError::Refused(format!(
            "an ordinary account cannot use the image `host` while something is mounted on {place}, below /usr: \
            unmount it, run as root, or choose another image"
        ))),
    }
}

/// The first mount point below `/usr` of a `mountinfo`.
fn below_usr(mounts: &str) -> Option<&str> {
    mounts.lines().filter_map(|line| line.split(' ').nth(4)).find(|place| place.starts_with("/usr/"))
}

/// Mounts the overlay and makes it the root.
pub(super) fn change_root(host: FromHost) -> Result<Pieces, SandboxError> {
    let FromHost { image, layer, usr, pieces } = host;
    let root = overlay(std::slice::from_ref(&image), &layer)?;
    let usr = usr.map(HostUsr::mount).transpose()?;
    attach_on(&root, &image)?;
    rustix::process::fchdir(&root).doing("enter the new root")?;
    rustix::process::pivot_root(".", ".").doing("change the root")?;
    unmount(".", UnmountFlags::DETACH).doing("leave the host's root")?;
    rustix::process::chdir("/").doing("enter the root")?;
    if let Some(usr) = usr {
        attach(&usr, "/usr")?;
    }
    Ok(pieces)
}

/// The same folders with only those files in sight that everybody may read: the kernel asks for the rights of whoever
/// mounted an overlay too, and this one belongs to an account that owns nothing. It is mounted on the layer's own
/// `below`, because overlayfs takes layers of this mount namespace only.
fn readable_by_all(mut lower: Vec<OwnedFd>, layer: &OwnedFd) -> Result<OwnedFd, SandboxError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let below = openat(layer, "below", flags, Mode::empty()).doing("open the layer's folder below /usr")?;
    // Without an upper folder there must be two lower ones.
    lower.push(below.try_clone().doing("copy a descriptor")?);
    let options = [("lowerdir", paths(&lower)), ("userxattr", String::new())];
    // The rights over files go with the id of root, and come back with it.
    set_file_ids(ANYBODY)?;
    let mounted =
        new_fs("overlay", &options.each_ref().map(|(key, value)| (*key, value.as_str())), RDONLY | NODEV);
    set_file_ids(0)?;
    privileges::tie()?;
    let mounted = mounted?;
    attach_on(&mounted, &below)?;
    Ok(mounted)
}

/// Who this process is to the file system.
fn set_file_ids(id: u32) -> Result<(), SandboxError> {
    // SAFETY: plain numbers. The calls say who it was before, and nothing about success: hence the second round.
    let now = unsafe {
        libc::setfsgid(id);
        libc::setfsuid(id);
        [libc::setfsgid(u32::MAX), libc::setfsuid(u32::MAX)]
    };
    let set = now.iter().all(|now| now.cast_unsigned() == id);
    set.then_some(()).ok_or_else(|| SandboxError::Refused(format!("cannot be {id} to the file system")))
}

fn paths(folders: &[OwnedFd]) -> String {
    let paths: Vec<String> = folders.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect();
    paths.join(":")
}

/// Lower folders under a layer's `upper`. Paths through descriptors also hide the host's paths from
/// `/proc/mounts`.
fn overlay(lower: &[OwnedFd], layer: &OwnedFd) -> Result<OwnedFd, SandboxError> {
    let options = [
        ("lowerdir", paths(lower)),
        ("upperdir", format!("/proc/self/fd/{}/upper", layer.as_raw_fd())),
        ("workdir", format!("/proc/self/fd/{}/work", layer.as_raw_fd())),
        ("userxattr", String::new()),
    ];
    new_fs("overlay", &options.each_ref().map(|(key, value)| (*key, value.as_str())), NODEV)
}

impl Pieces {
    /// Attaches everything below the new root; the writable tmpfs mounts.
    pub(super) fn attach(self, spec: &Spec) -> Result<Vec<OwnedFd>, SandboxError> {
        for dir in ["/proc", "/sys", "/dev", "/tmp", "/run", "/etc", "/home"] {
            make_folder(dir)?;
        }
        attach(&self.proc, "/proc")?;
        match &self.sys {
            Some(sys) => attach(sys, "/sys")?,
            None => attach(&new_fs("tmpfs", &[("size", "4k")], STRICT | RDONLY)?, "/sys")?,
        }
        self.devices.attach()?;
        let temporary = temporary(spec.limits.memory)?;
        for (tree, target) in &self.binds {
            bind(tree, target)?;
        }
        Ok(temporary)
    }
}

/// The writable tmpfs mounts: their sizes are parts of the memory limit, and what is in them counts as memory.
fn temporary(memory: u64) -> Result<Vec<OwnedFd>, SandboxError> {
    let mut mounts = vec![];
    for (dir, mode, part) in [("/dev/shm", "1777", 4), ("/tmp", "1777", 2), ("/run", "0755", 16)] {
        let size = (memory / part).to_string();
        let mount = new_fs("tmpfs", &[("mode", mode), ("size", &size)], NOSUID | NODEV)?;
        attach(&mount, dir)?;
        mounts.push(mount);
    }
    make_folder("/run/step")?;
    let steps = new_fs("tmpfs", &[("mode", "0755"), ("size", "16m")], NOSUID | NODEV)?;
    attach(&steps, "/run/step")?;
    mounts.push(steps);
    Ok(mounts)
}

fn bind(tree: &OwnedFd, target: &Path) -> Result<(), SandboxError> {
    make_folder(target.parent().unwrap_or(Path::new("/")))?;
    let mode = fstat(tree).doing("look at a bind's source")?.st_mode;
    if mode & libc::S_IFMT == libc::S_IFDIR {
        make_folder(target)?;
    } else if std::fs::metadata(target).is_err() {
        // A link to nowhere, or nothing.
        let _ = std::fs::remove_file(target);
        std::fs::write(target, "").doing(format_args!("create {}", target.display()))?;
    }
    attach(tree, target)
}

pub(super) fn make_folder(path: impl AsRef<Path>) -> Result<(), SandboxError> {
    let path = path.as_ref();
    create_dir_all(path).doing(format_args!("create {} in the image", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_usr_is_found() {
        let root = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n";
        let usr =
            "23 22 254:2 / /usr rw,relatime - ext4 /dev/vda2 rw\n24 22 0:5 / /usrlocal rw - tmpfs none rw\n";
        assert_eq!(below_usr(&format!("{root}{usr}")), None);
        let local = "30 22 254:1 /tmp/x /usr/local rw,relatime - ext4 /dev/vda1 rw\n";
        assert_eq!(below_usr(&format!("{root}{usr}{local}")), Some("/usr/local"));
    }
}
