//! The sandbox's root: everything that comes from the host is opened before the root changes, and
//! attached after, when no link in the image can lead a mount target out of it.

use super::super::mountfd::{NODEV, NOSUID, RDONLY, STRICT, attach, attach_on, clone_tree, new_fs, set_attr};
use super::super::weaken::{Guard, is_off};
use super::super::{Doing, Network, SandboxError, Spec};
use super::devices;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, open};
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
}

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
            None => vec![generated, folder(Path::new("/usr"))?],
        };
        Ok(HostUsr { lower, layer: folder(&spec.layer.join("usr"))? })
    }
}

/// Mounts the overlay and makes it the root.
pub(super) fn change_root(host: FromHost) -> Result<Pieces, SandboxError> {
    let FromHost { image, layer, usr, pieces } = host;
    let root = overlay(std::slice::from_ref(&image), &layer)?;
    let usr = match &usr {
        Some(usr) => Some(overlay(&usr.lower, &usr.layer)?),
        None => None,
    };
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

/// Lower folders under a layer's `upper`. Paths through descriptors also hide the host's paths from
/// `/proc/mounts`.
fn overlay(lower: &[OwnedFd], layer: &OwnedFd) -> Result<OwnedFd, SandboxError> {
    let lower: Vec<String> = lower.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect();
    let options = [
        ("lowerdir", lower.join(":")),
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
