//! Debian and Ubuntu from packages: by mmdebstrap, from the mirror that this machine's apt uses, verified by the keys
//! that it trusts.

mod archive;
mod make;
mod release;
mod scratch;

pub(super) use make::make;
pub(super) use scratch::Scratch;

use super::ImageError;
use super::oci;
use super::progress::Progress;
use super::source::Suite;
use archive::Archive;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The program.
const PROGRAM: &str = "mmdebstrap";
/// Raised when images are made in another way.
const VERSION: u32 = 1;
/// What builds.sr.ht's images have beside the essential packages.
const PACKAGES: &[&str] = &["ca-certificates", "curl", "git", "gnupg", "mercurial", "openssh-client", "sudo"];

/// What to make; complete, so that the process inside the range needs to look nothing up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BootstrapOrder {
    suite: Suite,
    /// Beside the essential ones.
    packages: Vec<String>,
    /// `deb URI SUITE main`.
    sources: Vec<String>,
    /// apt's settings, of this machine's apt.
    settings: Vec<String>,
    /// `http_proxy` and `https_proxy` for apt, which the image does not keep.
    proxies: Vec<(String, String)>,
    /// When the archive was last changed, in seconds since 1970.
    changed: Option<i64>,
    /// Where the tar goes: an empty file.
    tar: PathBuf,
}

/// The suite of this name, where this machine is of that family and can make it.
pub(super) fn suite(family: &str, release: &str) -> Option<Suite> {
    (archive::os_release("ID").as_deref() == Some(family) && program().is_some())
        .then(|| release.parse().ok())
        .flatten()
}

/// Where mmdebstrap is.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file())
}

impl BootstrapOrder {
    /// Asks this machine's mirror about the suite. Answers the order and a digest of all that decides what comes out:
    /// while that stays the same, making it again would give the same image.
    pub(super) fn prepare(
        suite: &Suite,
        packages: Option<&[String]>,
        scratch: &Scratch,
        progress: &mut Progress<'_>,
    ) -> Result<(BootstrapOrder, String), ImageError> {
        if program().is_none() {
            return Err(ImageError::Bootstrap(format!(
                "{PROGRAM} is missing: install the package {PROGRAM}"
            )));
        }
        let own: Vec<String> = PACKAGES.iter().map(|name| (*name).to_owned()).collect();
        let packages = packages.map_or(own, <[String]>::to_vec);
        if let Some(odd) = packages.iter().find(|name| !is_package(name)) {
            return Err(ImageError::Bootstrap(format!("`{odd}` is not the name of a package")));
        }
        progress.say(format_args!("asking this machine's mirror for {}", suite.as_str()));
        let archive = Archive::of(suite, scratch)?;
        let (settings, proxies) = archive::apt_settings();
        let order = BootstrapOrder {
            suite: suite.clone(),
            packages,
            sources: archive.sources,
            settings,
            proxies,
            changed: archive.changed,
            tar: scratch.tar(),
        };
        let key = order.key(&archive.releases);
        Ok((order, key))
    }

    fn key(&self, releases: &str) -> String {
        let parts = [
            format!("{VERSION} {} {}", std::env::consts::ARCH, self.suite.as_str()),
            self.packages.join(" "),
            self.sources.join("\n"),
            self.settings.join("\n"),
            releases.to_owned(),
        ];
        oci::sha256(parts.join("\n\n").as_bytes())
    }
}

/// As Debian's policy has it, and nothing that could be an option.
fn is_package(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn options_are_no_packages() {
        for name in ["git", "g++", "libc6-dev", "7zip", "python3.11"] {
            assert!(is_package(name), "{name}");
        }
        for name in ["", "-x", "a b", "a,b", "A", "a\n", "a/stable", "a=1"] {
            assert!(!is_package(name), "{name}");
        }
    }

    #[test]
    fn whatever_decides_the_image_is_in_its_key() {
        let order = BootstrapOrder {
            suite: "sid".parse().unwrap(),
            packages: vec!["git".into()],
            sources: vec!["deb http://mirror.example/debian sid main".into()],
            settings: vec![],
            proxies: vec![("http_proxy".into(), "http://u:p@proxy.example".into())],
            changed: None,
            tar: "/x".into(),
        };
        let other = |change: fn(&mut BootstrapOrder)| {
            let mut other = order.clone();
            change(&mut other);
            other.key("r")
        };
        let key = order.key("r");
        assert!(key != order.key("s"));
        assert!(key != other(|order| order.packages.push("hg".into())));
        assert!(key != other(|order| order.sources.push("deb x".into())));
        assert!(key != other(|order| order.suite = "trixie".parse().unwrap()));
        assert_eq!(key, other(|order| order.tar = "/y".into()));
        assert_eq!(key, other(|order| order.proxies.clear()));
    }
}
