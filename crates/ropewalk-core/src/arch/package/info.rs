//! `.PKGINFO`: what a package says about itself.

use super::{PackageError, shown};
use crate::arch::ARCH_MAX;
use std::collections::BTreeSet;

/// Bytes of a file `.PKGINFO`.
pub(super) const INFO_MAX: u64 = 1 << 20;
/// Bytes of a file name that file systems take.
const NAME_MAX: usize = 255;

/// What names a package: one that has two names would be read as another by whoever takes the first.
const NAMES: [&str; 4] = ["pkgname", "pkgbase", "pkgver", "arch"];

/// The fields that databases have. Lists are in the order of the file, without empty items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "pacman's names")]
pub struct Info {
    pub name: String,
    pub base: String,
    /// With epoch and release.
    pub version: String,
    pub desc: String,
    pub url: String,
    pub arch: String,
    pub packager: String,
    /// Seconds since 1970.
    pub builddate: u64,
    /// Bytes when installed.
    pub size: u64,
    pub groups: Vec<String>,
    pub licenses: Vec<String>,
    pub replaces: Vec<String>,
    pub conflicts: Vec<String>,
    pub provides: Vec<String>,
    pub depends: Vec<String>,
    pub optdepends: Vec<String>,
    pub makedepends: Vec<String>,
    pub checkdepends: Vec<String>,
}

impl Info {
    /// Reads lines of the form `key = value`; keys that databases do not have are left out.
    pub fn parse(text: &str) -> Result<Info, PackageError> {
        let mut info = Info::default();
        let mut named = BTreeSet::new();
        for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let bad =
                || PackageError::Info(format!("the line {:?} is not of the form `key = value`", shown(line)));
            let (key, value) = line.split_once('=').ok_or_else(bad)?;
            let (key, value) = (key.trim(), value.trim());
            if value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(PackageError::Info(format!("{key} holds a control character")));
            }
            if NAMES.contains(&key) && !named.insert(key) {
                return Err(PackageError::Info(format!("{key} stands there twice")));
            }
            info.take(key, value)?;
        }
        info.check()?;
        Ok(info)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), PackageError> {
        if let Some(text) = self.text(key) {
            *text = value.into();
        } else if let Some(list) = self.list(key) {
            list.extend((!value.is_empty()).then(|| value.to_string()));
        } else if let Some(number) = self.number(key) {
            let bad = |_| PackageError::Info(format!("{key} is no number: {:?}", shown(value)));
            *number = value.parse().map_err(bad)?;
        }
        Ok(())
    }

    fn text(&mut self, key: &str) -> Option<&mut String> {
        match key {
            "pkgname" => Some(&mut self.name),
            "pkgbase" => Some(&mut self.base),
            "pkgver" => Some(&mut self.version),
            "pkgdesc" => Some(&mut self.desc),
            "url" => Some(&mut self.url),
            "arch" => Some(&mut self.arch),
            "packager" => Some(&mut self.packager),
            _ => None,
        }
    }

    fn number(&mut self, key: &str) -> Option<&mut u64> {
        match key {
            "builddate" => Some(&mut self.builddate),
            "size" => Some(&mut self.size),
            _ => None,
        }
    }

    fn list(&mut self, key: &str) -> Option<&mut Vec<String>> {
        match key {
            "group" => Some(&mut self.groups),
            "license" => Some(&mut self.licenses),
            "replaces" => Some(&mut self.replaces),
            "conflict" => Some(&mut self.conflicts),
            "provides" => Some(&mut self.provides),
            "depend" => Some(&mut self.depends),
            "optdepend" => Some(&mut self.optdepends),
            "makedepend" => Some(&mut self.makedepends),
            "checkdepend" => Some(&mut self.checkdepends),
            _ => None,
        }
    }

    fn check(&mut self) -> Result<(), PackageError> {
        let Info { name, version, arch, .. } = &*self;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._+-".contains(&byte);
        if name.is_empty() || name.starts_with(['-', '.']) || !name.bytes().all(plain) {
            return Err(PackageError::Info(format!("{:?} cannot be the name of a package", shown(name))));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._+:~-".contains(&byte);
        let is_version = version.bytes().all(plain)
            && version.split_once('-').is_some_and(|(version, release)| {
                !version.is_empty()
                    && !version.starts_with('.')
                    && !release.is_empty()
                    && !release.contains('-')
            });
        if !is_version {
            return Err(PackageError::Info(format!(
                "{:?} cannot be a version with a release",
                shown(version)
            )));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        // Longer ones could be published and never be asked for.
        if arch.is_empty() || arch.len() > ARCH_MAX || !arch.bytes().all(plain) {
            return Err(PackageError::Info(format!("{:?} cannot be an architecture", shown(arch))));
        }
        if name.len() + version.len() + arch.len() + ".pkg.tar.zst".len() + 2 > NAME_MAX {
            return Err(PackageError::Info("name and version are too long for the name of a file".into()));
        }
        if self.base.is_empty() {
            self.base.clone_from(&self.name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEAST: &str = "pkgname = p\npkgver = 1.0-1\narch = any\n";

    #[test]
    fn known_fields_are_read_and_others_left_out() {
        let text = format!(
            "# made\n{LEAST}\npkgdesc = a = b\nsize = 3000000000\ndepend = glibc>=2\ndepend = \ndepend = sh\nxdata = pkgtype=pkg\n"
        );
        let info = Info::parse(&text).unwrap();
        assert_eq!((info.desc.as_str(), info.size, info.base.as_str()), ("a = b", 3_000_000_000, "p"));
        assert_eq!(info.depends, ["glibc>=2", "sh"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            "",
            "pkgname\n",
            "pkgname = ../x\npkgver = 1-1\narch = any",
            "pkgname = -x\npkgver = 1-1\narch = any",
            "pkgname = x\npkgver = 1\narch = any",
            "pkgname = x\npkgver = 1/2-1\narch = any",
            "pkgname = x\npkgver = 1-1-1\narch = any",
            "pkgname = x\npkgver = 1-1\narch = ../y",
            "pkgname = x\npkgver = 1-1",
            "pkgname = x\npkgname = y\npkgver = 1-1\narch = any",
            "pkgname = x\npkgver = 1-1\narch = any\narch = x86_64",
            &format!("pkgname = x\npkgver = 1-1\narch = {}", "x".repeat(65)),
            &format!("{LEAST}size = -1"),
            &format!("{LEAST}builddate = soon"),
            &format!("{LEAST}pkgdesc = a\x1bb"),
            &format!("pkgname = {}\npkgver = 1-1\narch = any", "x".repeat(250)),
        ] {
            assert!(Info::parse(text).is_err(), "{text:?}");
        }
        assert!(Info::parse("pkgname = l\npkgver = 2:4.2.0_rc1+g12~3-1.1\narch = x86_64").is_ok());
    }

    proptest! {
        #[test]
        fn names_that_are_read_lead_nowhere(text in "(pkgname|pkgver|arch|size|depend) ?= ?[ -~]{0,12}\n(pkgname|pkgver|arch) = [!-~]{1,8}\npkgver = 1-1\narch = any") {
            if let Ok(info) = Info::parse(&text) {
                prop_assert!(!info.name.contains('/') && !info.version.contains('/') && !info.arch.contains('/'));
                prop_assert!(!info.name.starts_with('.'));
            }
        }
    }
}
