//! The `host` image: the machine's own `/usr` under a generated `/etc` and `/var`. Nothing else of
//! the machine is in it: no people, no passwords, no private keys.

mod etc;
mod generate;
mod usr;

pub(super) use generate::generate;
pub(super) use usr::idmapped;

use super::oci;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Its name.
pub(super) const NAME: &str = "host";
/// Raised when what is generated changes.
const VERSION: u32 = 2;

/// How `/usr` gets into a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Usr {
    /// Its files appear as the range's own, by an idmapped mount: packages can be installed. Needs
    /// an agent that is root.
    Idmapped,
    /// Its files belong to nobody; new files can be added in the main folders.
    Plain,
}

impl Usr {
    /// What this account can have.
    pub(super) fn here() -> Usr {
        if rustix::process::getuid().is_root() { Usr::Idmapped } else { Usr::Plain }
    }
}

/// A digest of what the generated part is made from.
pub(super) fn fingerprint(usr: Usr) -> String {
    let made_from = [
        "/etc/passwd",
        "/etc/group",
        "/etc/ld.so.cache",
        "/etc/apt",
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d",
        "/etc/apt/apt.conf.d",
        "/etc/ssl/certs",
        "/etc/alternatives",
        "/var/lib/dpkg/status",
        "/var/lib/dpkg/info",
        "/var/lib/pacman/local",
    ];
    // It is not waited until it is on the disk: each start of the machine makes its own.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let mut text = format!("{VERSION} {usr:?} {boot}\n");
    for path in made_from {
        if let Ok(meta) = Path::new(path).metadata() {
            text += &format!("{path} {} {}.{}\n", meta.len(), meta.mtime(), meta.mtime_nsec());
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter_map(below_usr).for_each(|mount| text += &mount);
    oci::sha256(text.as_bytes()).replacen("sha256", NAME, 1)
}

/// What of a line of `mountinfo` says what is seen at `/usr` or below it: device, folder of it, place.
fn below_usr(line: &str) -> Option<String> {
    let mut words = line.split(' ').skip(2);
    let (device, root, place) = (words.next()?, words.next()?, words.next()?);
    let is_below = place.strip_prefix("/usr").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    is_below.then(|| format!("{device} {root} {place}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_mount_below_usr_is_another_image() {
        let line = |place: &str| format!("30 22 254:1 /tmp/x {place} rw,relatime - ext4 /dev/vda1 rw");
        assert_eq!(below_usr(&line("/usr/local")).as_deref(), Some("254:1 /tmp/x /usr/local\n"));
        assert!(below_usr(&line("/usr")).is_some());
        for place in ["/", "/usrlocal", "/srv/usr"] {
            assert_eq!(below_usr(&line(place)), None, "{place}");
        }
        assert_eq!(below_usr("30 22"), None);
    }
}
